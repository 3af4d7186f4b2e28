"""stackgen: one declarative `stack.yaml` becomes an OpenAI-compatible platform on your own GPUs."""

__version__ = "0.1.0"
