"""`python -m torchferry …` does the same as the wheel's command `torchferry`. It works where this is not on PATH."""

from torchferry._launch import cli

if __name__ == "__main__":
    cli()
