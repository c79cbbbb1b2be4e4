"""What to do about rows that a corpus run rejects: one remedy a reason, with flags as they are typed."""

from ldm3d.reject import Reason

_AGAIN = "when the cause is gone, run the same command with --retry-rejects transport"
_NOT_PICTURES = (
    "open some of the URLs in rejects/ in a browser: they should lead to the picture files themselves. Where a table "
    "holds the pictures, --select.image-column says in which column"
)
_DECODER = "look at some of the pictures: --download.decode-timeout-s and --download.max-pixels limit the decoder"

REMEDIES = {
    Reason.INVALID_ROW: "the URL or the caption is empty or of another type: look at the columns of --input",
    Reason.NSFW: "--select.nsfw names the words that pass, and `--select.nsfw any` takes every row",
    Reason.LOW_SIMILARITY: "--select.min-similarity 0 takes every row",
    Reason.TOO_SMALL: "lower --select.min-size",
    Reason.BAD_ASPECT_RATIO: "raise --select.max-aspect-ratio",
    Reason.CAPTION_TOO_SHORT: "lower --select.min-caption-chars, or look at the column of captions in --input",
    Reason.CAPTION_TOO_LONG: "raise --select.max-caption-chars",
    Reason.DUPLICATE_URL: "one row of each URL is kept: look at the column of URLs in --input",
    Reason.REFUSED_URL: "URLs begin with http:// or https:// and hold no password; for pictures in a store or another "
    "folder, pass their place as --download.files-under",
    Reason.REFUSED_ADDRESS: "only public addresses are asked. If the server is your own, pass its address as "
    "--download.allow-addresses; pictures in a store are read from s3:// or paths, with --download.files-under",
    Reason.DNS_FAILED: f"check that the nodes of the cluster can resolve names on the internet; {_AGAIN}",
    Reason.CONNECTION_FAILED: f"check that the nodes of the cluster reach the internet, without a proxy; {_AGAIN}",
    Reason.TIMEOUT: f"raise --download.timeout-s and --download.deadline-s, or lower --download.threads; {_AGAIN}",
    Reason.HTTP_NOT_FOUND: "the pictures are gone: give newer metadata",
    Reason.HTTP_FORBIDDEN: "the hosts refuse: look at the details in rejects/, and ask the owners of the pictures",
    Reason.HTTP_ERROR: f"look at the details in rejects/; {_AGAIN}",
    Reason.RATE_LIMITED: f"lower --download.per-host, or raise --download.max-pause-s; {_AGAIN}",
    Reason.HOST_UNAVAILABLE: f"--download.breaker-failures says when a failing host is left alone; {_AGAIN}",
    Reason.OPTED_OUT: "the owners forbid this use of their pictures (--download.opt-out-headers): give other rows",
    Reason.TOO_MANY_REDIRECTS: "raise --download.max-redirects, or give the URLs that they lead to",
    Reason.TOO_MANY_BYTES: "raise --download.max-bytes",
    Reason.TRUNCATED: f"answers broke off; {_AGAIN}",
    Reason.FILE_NOT_FOUND: "paths are relative to the folder of --input: look at the details in rejects/",
    Reason.FILE_FORBIDDEN: "give the nodes of the cluster the right to read the pictures",
    Reason.NOT_AN_IMAGE: _NOT_PICTURES,
    Reason.TOO_MANY_PIXELS: "raise --download.max-pixels",
    Reason.DECODE_FAILED: _DECODER,
    Reason.DECODE_TIMEOUT: _DECODER,
    Reason.DECODER_CRASHED: _DECODER,
    Reason.DEPTH_FAILED: "give another --label.depth-model, --label.dtype or --label.column",
    Reason.DUPLICATE_BYTES: "the URLs lead to the same picture. `--duplicates.no-remove` keeps copies",
    Reason.NEAR_DUPLICATE: "the pictures look alike. `--duplicates.no-remove` keeps them, and "
    "--duplicates.max-distance says how alike copies are",
}
