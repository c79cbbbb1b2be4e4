"""Settings of the selection: what is read of an input, and which of its rows become candidates."""

from dataclasses import dataclass
from typing import Literal

from ldm3d.config.checks import require

OWN_COLUMNS = (
    "url_column",
    "caption_column",
    "image_column",
    "width_column",
    "height_column",
    "similarity_column",
    "nsfw_column",
)


@dataclass(frozen=True, kw_only=True)
class SelectConfig:
    """Which metadata rows become candidates; judged before anything is downloaded."""

    read: Literal["auto", "tar", "parquet", "csv", "json", "pictures"] = "auto"
    """Which files of a folder are read: `auto` takes the first of these that it holds. `csv` includes .tsv, and `json`
    .jsonl; `pictures` are files with a .txt beside each as its caption."""
    columns: Literal["auto", "laion400m", "laion5b", "coyo", "cc12m", "datacomp", "relaion"] = "auto"
    """Publisher whose column names the metadata uses; `auto` recognises it."""
    url_column: str | None = None
    """Column with the URL of a picture, or its path relative to the metadata; None takes the publisher's."""
    caption_column: str | None = None
    """Column with its caption; None takes the publisher's, as do the other columns below."""
    image_column: str | None = None
    """Column of parquet files that holds the picture itself, as a file (binary) or as datasets stores it; None finds
    one of a usual name, such as `image`. URLs are not needed then, and nothing is downloaded."""
    width_column: str | None = None
    """Column with its width in pixels."""
    height_column: str | None = None
    """Column with its height in pixels."""
    similarity_column: str | None = None
    """Column with the CLIP similarity of picture and caption."""
    nsfw_column: str | None = None
    """Column with an NSFW word, or the probability that it is not safe."""
    nsfw: tuple[str, ...] = ("UNLIKELY",)
    """NSFW values to accept; any other value, including null, is rejected. `any` accepts everything."""
    min_similarity: float = 0.0
    """Lowest CLIP similarity of image and caption; above 0, rows without a similarity are rejected too."""
    min_size: int = 0
    """Smallest shorter side in pixels, checked on the metadata and again on the image."""
    max_aspect_ratio: float = 4.0
    """Largest ratio of longer to shorter side, checked on the metadata and again on the image."""
    min_caption_chars: int = 1
    """Shortest caption, in characters after trimming."""
    max_caption_chars: int = 2_000
    """Longest caption, in characters after trimming."""
    sample: int | None = None
    """Number of rows to keep, sampled by key from those that pass; None keeps all."""
    val_fraction: float = 0.2
    """Share of keys in the validation split."""
    test_fraction: float = 0.0
    """Share of keys in the test split; the rest is train."""
    seed: int = 0
    """Another seed gives another sample and another split."""

    def __post_init__(self) -> None:
        for name in OWN_COLUMNS:
            require(getattr(self, name) != "", f"select.{name}", "", "the name of a column, or None")
        require(self.nsfw != (), "select.nsfw", self.nsfw, "at least one value, or `any`")
        require(self.max_aspect_ratio >= 1, "select.max_aspect_ratio", self.max_aspect_ratio, "1 or more")
        require(self.sample is None or self.sample > 0, "select.sample", self.sample, "a positive count or None")
        require(self.min_size >= 0, "select.min_size", self.min_size, "0 or more pixels")
        least, most = self.min_caption_chars, self.max_caption_chars
        require(0 < least <= most, "select.min_caption_chars", least, f"1 to --select.max-caption-chars ({most})")
        test, val = self.test_fraction, self.val_fraction
        require(val >= 0, "select.val_fraction", val, "0 or more")
        wanted = f"0 or more, and below 1 together with --select.val-fraction ({val})"
        require(test >= 0 and val + test < 1, "select.test_fraction", test, wanted)

    def own_columns(self) -> dict[str, str]:
        """Return the columns that are named, by field of `ldm3d.rows.columns.Columns`."""
        named = {name.removesuffix("_column"): getattr(self, name) for name in OWN_COLUMNS}
        return {field: column for field, column in named.items() if column is not None}
