# What the article lets people type by hand, in the order of its text: data of tests, nothing here is to be run.
docker network create --driver bridge --subnet 192.168.0.0/24 --gateway 192.168.0.1 vllm
docker compose up -d
docker compose exec ollama ollama pull qwen2.5vl:7b-q4_K_M
docker compose exec speaches huggingface-cli download Systran/faster-whisper-small
docker compose exec speaches huggingface-cli download speaches-ai/piper-fr_FR-siwis-medium
curl http://localhost:4000/chat/completions -H "Authorization: Bearer your_master_key" -d '{"model": "qwen3", "messages": [{"role": "user", "content": "Hello"}]}'
