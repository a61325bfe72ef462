"""The lowest layer is whole for everybody, however many containers are created first at once."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from linkspan.engine.skeleton import skeleton


def test_many_first_calls_at_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        roots = set(pool.map(lambda _: skeleton(tmp_path), range(40)))
    assert roots == {tmp_path / "skeleton"}
    assert (tmp_path / "skeleton/etc/mtab").readlink() == Path("/proc/mounts")
    assert (tmp_path / "skeleton/etc/resolv.conf").is_file()
