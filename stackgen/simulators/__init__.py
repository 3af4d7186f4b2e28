"""Stand-ins for engines: each takes the real command line and environment, and behaves at its door as the real one.

They run in an image of their own, so they use the standard library alone and import nothing of stackgen. One package an engine;
`door.py` is what they share, `listening.py` the server, `start.py` the program.
"""
