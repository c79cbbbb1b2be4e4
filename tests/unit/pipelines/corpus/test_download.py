"""What a downloader holds in memory at a time is bounded, however slow its decoder is."""

import threading
from concurrent.futures import Future

from ldm3d.config import PRESETS, CorpusConfig
from ldm3d.decode import SquareImage
from ldm3d.fetch import Fetched
from pipelines.corpus.download import WAITING, Downloader

CALLS, URLS = 4, 100


class Web:
    """Every URL is an image at once; notes how many of them were not yet decoded when the next one came."""

    def __init__(self) -> None:
        self.fetched = self.decoded = self.most_held = 0

    def fetch_all(self, urls):
        for index in range(len(urls)):
            self.fetched += 1
            self.most_held = max(self.most_held, self.fetched - self.decoded)
            yield Fetched(index, b"image", "", "", 1)


class SlowDecoder:
    """Takes its time for each image."""

    def submit(self, content: bytes) -> Future:
        future: Future = Future()
        threading.Timer(0.02, future.set_result, [SquareImage(b"jpeg", 1, 1, 0)]).start()
        return future


def test_a_slow_decoder_makes_the_fetcher_wait(tmp_path):
    downloader = Downloader(CorpusConfig(input="in", output=str(tmp_path), **PRESETS["toy"]), 1, 1.0, CALLS)
    downloader.fetcher.close()
    downloader.decoder.close()
    web = downloader.fetcher = Web()
    downloader.decoder = SlowDecoder()
    for _, outcome in downloader.images(web.fetch_all([""] * URLS)):
        assert outcome["image"] == b"jpeg"
        web.decoded += 1
    assert web.decoded == URLS
    assert 1 < web.most_held <= WAITING // CALLS
