"""`python -m torchferry …` is the wheel's command `torchferry`, where its folder is not on PATH."""

from torchferry._launch import cli

if __name__ == "__main__":
    cli()
