"""`python -m stackgen`."""

from stackgen.cli import main

if __name__ == "__main__":
    main()
