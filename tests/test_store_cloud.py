"""The store on an object store: fsspec's file system of this process's memory stands for all of them."""

import importlib
import json
import sys
import threading

import pytest

from mlsignal.apps.store_jobs import check_job, list_job, repair_job, show_job
from mlsignal.candles import Interval
from mlsignal.collecting import fetch_many
from mlsignal.config import Settings, default_store, load_settings
from mlsignal.doctor import _folder
from mlsignal.errors import ConfigurationError, DataError, MissingExtraError, OutputError
from mlsignal.sources.registry import opened_source
from mlsignal.store import Store
from mlsignal.store.folder import LocalFolder, RemoteFolder, open_folder
from mlsignal.store.listing import list_series
from tests.test_store import MINUTE, Market, opens_of, rows

M1 = Interval.M1
URL = "memory://bucket/candles"
SERIES = "/bucket/candles/BTCUSDT/1m"


@pytest.fixture
def memory():
    filesystem = pytest.importorskip("fsspec").filesystem("memory")
    filesystem.store.clear()
    filesystem.pseudo_dirs[:] = [""]
    yield filesystem
    filesystem.store.clear()


@pytest.fixture
def put(memory, monkeypatch):
    """Names of the objects that are put."""
    names, plain = [], type(memory).pipe_file

    def pipe_file(self, path, value, **named):
        names.append(path.rpartition("/")[2])
        return plain(self, path, value, **named)

    monkeypatch.setattr(type(memory), "pipe_file", pipe_file)
    return names


def load(market, store=None, **named):
    return (store or Store(URL)).load("BTCUSDT", M1, market, now_ms=market.now_ms, **{"limit": 500, **named})


def objects(memory):
    return {path: memory.cat_file(path) for path in memory.find("/bucket")}


def month_path(memory, month):
    (path,) = [path for path in memory.find(SERIES) if path.rpartition("/")[2].startswith(month)]
    return path


def test_cloud_store_empty_fetches_and_then_answers_from_its_objects(memory):
    market = Market()
    frame, report = load(market)
    assert opens_of(frame) == market.opens[-500:]
    assert report.fetches == 1
    names = sorted(path.rpartition("/")[2] for path in memory.find(SERIES))
    assert [name[:7] for name in names[:2]] == ["2023-12", "2024-01"]
    assert names[2:] == ["manifest.json"], "no lock, nothing temporary"
    again, report = load(market)
    assert again.equals(frame)
    assert report.fetches == 0


def test_cloud_store_holds_the_bytes_that_a_local_one_holds(memory, tmp_path):
    market = Market()
    load(market)
    load(market, Store(tmp_path))
    local = {path.name: path.read_bytes() for path in (tmp_path / "BTCUSDT/1m").iterdir() if path.name != ".lock"}
    assert {path.rpartition("/")[2]: content for path, content in objects(memory).items()} == local


def test_cloud_store_topped_up_puts_the_affected_month_and_then_the_manifest(memory, put):
    load(Market(500), limit=400)
    put.clear()
    later = Market(600)
    frame, report = load(later, limit=400)
    assert opens_of(frame) == later.opens[-400:]
    assert report.rows_fetched == 101
    assert [name[:7] for name in put] == ["2024-01", "manifes"]


def test_cloud_store_superseded_objects_are_removed_a_commit_later(memory):
    for n in (400, 450, 500, 550):
        load(Market(n), limit=300)
    assert len([path for path in memory.find(SERIES) if "2024-01" in path]) == 2


@pytest.mark.parametrize("damage", ["flip", "truncate", "lose"])
def test_cloud_store_damaged_object_is_told_put_aside_and_fetched_again(damage, memory):
    market, store = Market(), Store(URL)
    frame, _ = load(market, store)
    path = month_path(memory, "2023-12")
    content = bytearray(memory.cat_file(path))
    content[len(content) // 2] ^= 0x10
    if damage == "lose":
        memory.rm_file(path)
    else:
        memory.pipe_file(path, bytes(content if damage == "flip" else content[:-9]))
    with pytest.raises(DataError, match=r"memory://bucket/candles/BTCUSDT/1m/2023-12.*(SHA-256|not there)"):
        store.read("BTCUSDT", M1)
    again, report = load(market, store)
    assert again.equals(frame)
    assert report.damaged == 1
    assert memory.exists(path + ".damaged") == (damage != "lose")


@pytest.mark.parametrize("how", ["lose", "break"])
def test_cloud_store_manifest_lost_is_built_again_from_the_objects(how, memory, caplog):
    market = Market()
    load(market)
    path = f"{SERIES}/manifest.json"
    memory.rm_file(path) if how == "lose" else memory.pipe_file(path, memory.cat_file(path)[:-40])
    frame, report = load(market)
    assert opens_of(frame) == market.opens[-500:]
    assert "built again from 2 month files" in caplog.text
    assert report.rows_fetched < 500
    assert Store(URL).manifest("BTCUSDT", M1).rows >= 500


def test_cloud_store_revisions_are_logged_beside(memory):
    market = Market(500)
    load(market, limit=10)
    for n, bump in ((550, 7), (600, 9)):
        later = Market(n)
        later.bump = {Market(n - 50).opens[-1]: bump}
        frame, report = load(later, limit=200)
        assert report.revisions == 1
        assert frame["close"].to_list()[-51] == rows([later.opens[-51]], later.bump)["close"][0]
    log = Store(URL).revisions("BTCUSDT", M1)
    assert len({revision.open_time_ms for revision in log}) == 2
    assert len(log) == 10


def test_cloud_store_of_the_first_version_is_migrated(memory, tmp_path):
    market = Market(400)
    load(market, Store(tmp_path), limit=400)
    last = market.opens[-1]
    content = {"schema_version": 1, "symbol": "BTCUSDT", "interval": "1m", "covered": [[market.opens[0], last]]}
    for path in (tmp_path / "BTCUSDT/1m").glob("*.parquet"):
        memory.pipe_file(f"{SERIES}/{path.name[:7]}.parquet", path.read_bytes())
    memory.pipe_file(f"{SERIES}/manifest.json", json.dumps(content).encode())
    frame, report = load(market, limit=400)
    assert (opens_of(frame), report.fetches) == (market.opens, 0)
    assert not memory.exists(f"{SERIES}/2024-01.parquet")


def test_cloud_store_two_stores_see_each_others_commits(memory):
    one, two = Store(URL), Store(URL + "/")
    load(Market(500), one, limit=400)
    frame, report = load(Market(500), two, limit=400)
    assert (frame.height, report.fetches) == (400, 0)
    load(Market(600), two, limit=400)
    assert one.read("BTCUSDT", M1).equals(two.read("BTCUSDT", M1))


def test_cloud_store_two_writers_at_once_tear_nothing_and_the_last_manifest_wins(memory):
    """The guarantee is weaker than on a disk: what the slower one overwrote may have to be fetched again."""
    market = Market(500)
    load(market, limit=400)
    slow, quick = Store(URL), Store(URL)

    class Slow(Market):
        def fetch(self, *arguments, **bounds):
            load(Market(560), quick, limit=400)  # while the slow one waits for its answer
            return super().fetch(*arguments, **bounds)

    later = Slow(600)
    frame, _ = load(later, slow, limit=400)
    assert opens_of(frame) == later.opens[-400:]
    for store in (slow, quick, Store(URL)):
        frame, _ = load(Market(600), store, limit=400)
        assert opens_of(frame) == later.opens[-400:]
        held = opens_of(store.read("BTCUSDT", M1))
        assert held == list(range(held[0], held[0] + len(held) * MINUTE, MINUTE))


def test_cloud_store_month_removed_by_another_writer_is_fetched_again(memory):
    market = Market()
    frame, _ = load(market)
    memory.rm_file(month_path(memory, "2024-01"))
    again, report = load(market)
    assert again.equals(frame)
    assert report.damaged == 1


def test_cloud_store_threads_that_share_a_store_lose_no_row(memory):
    store, errors = Store(URL), []

    def work(seed):
        try:
            for step in range(seed % 3, 9, 2):
                load(Market(200 + step * 30), store, limit=150, max_age_minutes=1)
        except Exception as error:  # noqa: BLE001 - shown by the main thread
            errors.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert Store(URL).manifest("BTCUSDT", M1).rows == len(opens_of(store.read("BTCUSDT", M1)))


def test_cloud_store_that_does_not_answer_is_no_damage(memory, monkeypatch):
    market, store = Market(), Store(URL)
    load(market, store)
    before = objects(memory)
    plain = type(memory).cat_file

    class DriverError(Exception):
        """As botocore's: no OSError."""

    def cat_file(self, path, **named):
        if path.endswith(".parquet"):
            raise DriverError("no route\nto host")
        return plain(self, path, **named)

    with monkeypatch.context() as patch:
        patch.setattr(type(memory), "cat_file", cat_file)
        with pytest.raises(OutputError, match=r"parquet: cannot be read .no route to host") as caught:
            load(market, store)
    assert caught.value.exit_code == 7
    assert objects(memory) == before


@pytest.mark.parametrize("nth", range(2))
def test_cloud_store_refused_put_leaves_what_was(nth, memory, monkeypatch):
    load(Market(500), limit=400)
    held, calls, plain = Store(URL).read("BTCUSDT", M1), [], type(memory).pipe_file

    def pipe_file(self, path, value, **named):
        calls.append(path)
        if len(calls) > nth:
            raise PermissionError("Access Denied")
        return plain(self, path, value, **named)

    with monkeypatch.context() as patch:
        patch.setattr(type(memory), "pipe_file", pipe_file)
        with pytest.raises(OutputError, match=r"cannot be written .Access Denied"):
            load(Market(600), limit=400)
    assert Store(URL).read("BTCUSDT", M1).equals(held)
    assert opens_of(load(Market(600), limit=400)[0]) == Market(600).opens[-400:]


def test_cloud_store_many_series_are_filled_and_listed(memory):
    market = Market()
    collected = fetch_many(["BTCUSDT", "ETHUSDT"], ["1m"], market, Store(URL), limit=200, now_ms=market.now_ms)
    collected.raise_first()
    other = Market(30)
    other.origin = "exchange.test"
    load(other, limit=20)
    found = list_series(URL)
    assert [(entry.origin, entry.symbol, entry.candles) for entry in found] == [
        ("binance", "BTCUSDT", 200),
        ("binance", "ETHUSDT", 200),
        ("exchange.test", "BTCUSDT", 20),
    ]
    assert list_series("memory://bucket/elsewhere") == []


def test_cloud_store_commands_list_show_check_and_repair(memory, capsys, monkeypatch):
    market = Market()
    market.origin = "binance"
    load(market)
    settings = load_settings({"store": URL})
    list_job(settings, as_json=True)
    show_job(settings, "BTCUSDT", as_json=True)
    check_job(settings, [], as_json=True)
    assert '"damaged": null' in capsys.readouterr().out
    memory.pipe_file(month_path(memory, "2023-12"), b"damaged")
    with pytest.raises(DataError, match=r"repair"):
        check_job(settings, [], as_json=True)
    capsys.readouterr()
    monkeypatch.setattr("mlsignal.apps.store_jobs.opened_source", lambda *_: Opened(market))
    repair_job(settings, [], as_json=True)
    assert json.loads(capsys.readouterr().out)[0]["damaged"] == 1
    check_job(settings, [], as_json=True)


class Opened:
    def __init__(self, source):
        self.source = source

    def __enter__(self):
        return self.source

    def __exit__(self, *_):
        return None


def test_doctor_probes_the_object_store_and_leaves_nothing(memory, monkeypatch):
    assert "can be written" in _folder(URL)
    assert objects(memory) == {}

    def refuse(*_, **__):
        raise PermissionError("Access Denied")

    monkeypatch.setattr(type(memory), "pipe_file", refuse)
    with pytest.raises(OutputError, match="Access Denied"):
        _folder(URL)


def test_settings_store_is_a_path_or_the_text_of_a_url(tmp_path, monkeypatch):
    assert load_settings({"store": "folder/store"}).store == type(tmp_path)("folder/store")
    assert load_settings({"store": tmp_path}).store == tmp_path
    assert load_settings({"store": "s3://bucket/folder"}).store == "s3://bucket/folder"
    monkeypatch.setenv("MLSIGNAL_STORE", "gs://bucket/folder")
    assert load_settings().store == "gs://bucket/folder"


def test_ban_file_stays_on_this_machine(memory, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    seen = {}
    monkeypatch.setattr("mlsignal.sources.registry.BinanceSource", lambda *_, **named: seen.update(named))
    for settings, folder in ((Settings(store=URL), default_store()), (Settings(store=tmp_path), tmp_path)):
        with opened_source("binance", settings):
            assert seen["ban_file"].parent == folder / ".bans"


def test_open_folder_tells_paths_from_urls(memory, tmp_path):
    assert isinstance(open_folder(tmp_path), LocalFolder)
    assert isinstance(open_folder("relative/folder"), LocalFolder)
    assert isinstance(open_folder(URL), RemoteFolder)
    assert str(open_folder(URL + "/").inside("a", "b")) == URL + "/a/b"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("s4://bucket/folder", r"found 's4'. Known: .*\bs3\b"),
        ("sftp://host/folder", r"s3://bucket/folder expected, found 'sftp'"),
        ("file:///folder", r"found 'file'"),
        ("simplecache::s3://bucket", r"found 'simplecache::s3'"),
        ("memory://", r"a bucket is missing"),
    ],
)
def test_open_folder_url_of_no_object_store_is_refused(url, said):
    with pytest.raises(ConfigurationError, match=said):
        Store(url)


def test_open_folder_without_the_extra_names_the_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec", None)
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'ml-signal-generator\[cloud\]'"):
        Store("s3://bucket/folder")


def test_open_folder_without_the_driver_names_it(memory, monkeypatch):
    core = importlib.import_module("fsspec.core")

    def url_to_fs(url):
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(core, "url_to_fs", url_to_fs)
    with pytest.raises(ConfigurationError, match=r"driver of s3 is missing .Install s3fs") as caught:
        list_series("s3://bucket/folder")
    assert "\n" not in str(caught.value)
