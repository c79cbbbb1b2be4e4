"""Three commands for what the demo has made, to be typed as they are."""

from pathlib import Path

from jobs.cli.next_commands import command

PROMPT = "a red sphere on a white floor at dusk"


def to_try(root: Path) -> dict[str, str]:
    """Return commands by what they do. None writes into `root`, and none needs --preset, which their inputs know."""
    runs = root.parent
    return {
        "draw a prompt with the trained model": command(
            "generate",
            {"prompt": PROMPT, "model.model": f"{root}/diffusion/model", "output": f"{runs}/pictures"},
        ),
        "train an autoencoder of your own on the corpus, briefly": command(
            "train_autoencoder",
            {"input": f"{root}/scenes/corpus", "output": f"{runs}/autoencoder", "loop.epochs": "2"},
        ),
        "measure the samples against real pictures, in an evaluation of your own": command(
            "evaluate",
            {
                "input": f"{root}/samples",
                "reference": f"{root}/held_out/real",
                "output": f"{runs}/evaluation",
            },
        ),
    }
