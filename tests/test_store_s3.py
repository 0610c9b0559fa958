"""The store in a bucket: S3's own protocol, spoken by its driver to a server on the loopback."""

import os
import subprocess
import sys
import uuid

import polars as pl
import pytest

from mlsignal.candles import Interval
from mlsignal.errors import DataError, OutputError
from mlsignal.store import Store
from mlsignal.store.listing import list_series
from tests.test_store import Market, opens_of

pytest.importorskip("s3fs", reason="the driver s3fs is not installed")
moto_server = pytest.importorskip("moto.server", reason="moto, a server that speaks S3, is not installed")

M1 = Interval.M1


@pytest.fixture(scope="module")
def endpoint():
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(endpoint, monkeypatch):
    """The driver, configured as users do: by its environment."""
    for name, value in {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    driver = __import__("s3fs").S3FileSystem
    driver.clear_instance_cache()
    yield driver()
    driver.clear_instance_cache()


@pytest.fixture
def url(s3):
    bucket = f"candles-{uuid.uuid4().hex[:12]}"
    s3.mkdir(bucket)
    return f"s3://{bucket}/store"


def load(url, market, **named):
    return Store(url).load("BTCUSDT", M1, market, now_ms=market.now_ms, **{"limit": 500, **named})


def objects(s3, url):
    s3.invalidate_cache()
    return {path.rpartition("/")[2]: s3.cat_file(path) for path in s3.find(url)}


def test_bucket_holds_the_bytes_that_a_folder_holds(s3, url, tmp_path):
    frame, _ = load(url, Market())
    load(tmp_path, Market())
    local = {path.name: path.read_bytes() for path in (tmp_path / "BTCUSDT/1m").iterdir() if path.name != ".lock"}
    assert objects(s3, url) == local
    again, report = load(url, Market())
    assert again.equals(frame)
    assert report.fetches == 0


def test_bucket_is_topped_up_and_superseded_objects_go(s3, url):
    for n in (400, 450, 500, 600):
        frame, report = load(url, Market(n), limit=300)
    assert report.rows_fetched == 101
    assert opens_of(frame) == Market(600).opens[-300:]
    assert len([name for name in objects(s3, url) if name.startswith("2024-01")]) == 2
    assert [entry.candles for entry in list_series(url)] == [Store(url).manifest("BTCUSDT", M1).rows]


@pytest.mark.parametrize("damage", ["flip", "truncate", "lose"])
def test_bucket_with_a_damaged_object_is_told_and_healed(damage, s3, url):
    frame, _ = load(url, Market())
    (path,) = [path for path in s3.find(url) if "/2023-12" in path]
    content = bytearray(s3.cat_file(path))
    content[len(content) // 2] ^= 0x10
    s3.rm_file(path) if damage == "lose" else s3.pipe_file(path, bytes(content if damage == "flip" else content[:-9]))
    with pytest.raises(DataError, match=r"s3://.*2023-12.*(SHA-256|not there)"):
        Store(url).read("BTCUSDT", M1)
    again, report = load(url, Market())
    assert again.equals(frame)
    assert report.damaged == 1


def test_bucket_that_is_not_there_is_one_line(s3):
    with pytest.raises(OutputError, match="no-such-bucket") as caught:
        load("s3://no-such-bucket/store", Market())
    assert "\n" not in str(caught.value)


def test_bucket_whose_server_is_gone_is_no_damage(s3, url, monkeypatch):
    load(url, Market())
    before = objects(s3, url)
    with monkeypatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        patch.setenv("AWS_MAX_ATTEMPTS", "1")
        s3.clear_instance_cache()
        with pytest.raises(OutputError, match="cannot be read") as caught:
            load(url, Market())
    assert "\n" not in str(caught.value)
    s3.clear_instance_cache()
    assert objects(s3, url) == before


def test_bucket_serves_the_command_line(s3, url, tmp_path):
    market = Market()
    load(url, market)
    command = [sys.executable, "-m", "mlsignal", "candles", "check", "--store", url]
    done = subprocess.run(command, capture_output=True, text=True, env=dict(os.environ), cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    assert "BTCUSDT" in done.stdout
    options = {"key": "key", "secret": "secret", "endpoint_url": os.environ["AWS_ENDPOINT_URL"], "region": "us-east-1"}
    scanned = pl.scan_parquet(f"{url}/BTCUSDT/1m/*.parquet", storage_options=options).collect()
    assert scanned.height >= 500
