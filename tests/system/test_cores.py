"""A container's CPU quota limits the number of cores, in both versions of control groups."""

import os

import pytest

from disbench.system import cores

V2_MOUNT = "30 23 0:26 {top} /sys/fs/cgroup ro,nosuid shared:4 - cgroup2 cgroup rw,nsdelegate"
V1_MOUNT = "33 30 0:29 {top} /sys/fs/cgroup/cpu,cpuacct ro master:12 - cgroup cgroup rw,cpu,cpuacct"
SETS_MOUNT = "34 30 0:30 / /sys/fs/cgroup/cpuset ro master:13 - cgroup cgroup rw,cpuset"
V2, V1 = "sys/fs/cgroup", "sys/fs/cgroup/cpu,cpuacct"


@pytest.fixture
def system(tmp_path):
    """system(cgroup, mounts, files) writes proc and sys below a folder, and returns the folder."""

    def make(cgroup, mounts, files):
        mountinfo = "\n".join(["1 1 8:1 / / rw - ext4 /dev/a rw", *mounts])
        listed = {"proc/self/cgroup": cgroup, "proc/self/mountinfo": mountinfo}
        for name, text in (listed | files).items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        return tmp_path

    return make


def v1(folder, quota, period="100000"):
    return {f"{folder}/cpu.cfs_quota_us": f"{quota}\n", f"{folder}/cpu.cfs_period_us": f"{period}\n"}


@pytest.mark.parametrize(
    ("cgroup", "mounts", "files", "quota"),
    [
        # version 2
        ("0::/\n", [V2_MOUNT.format(top="/")], {f"{V2}/cpu.max": "150000 100000\n"}, 1.5),
        ("0::/\n", [V2_MOUNT.format(top="/")], {f"{V2}/cpu.max": "max 100000\n"}, None),
        ("0::/a/b", [V2_MOUNT.format(top="/")], {f"{V2}/a/b/cpu.max": "400000 100000"}, 4),
        (
            *("0::/a/b", [V2_MOUNT.format(top="/")]),
            *({f"{V2}/a/b/cpu.max": "max 100000", f"{V2}/a/cpu.max": "5000 10000"}, 0.5),
        ),
        (
            *("0::/a/b", [V2_MOUNT.format(top="/")]),
            *({f"{V2}/a/b/cpu.max": "200000 100000", f"{V2}/a/cpu.max": "800000 100000"}, 2),
        ),
        ("0::/docker/x", [V2_MOUNT.format(top="/docker/x")], {f"{V2}/cpu.max": "300000 100000"}, 3),
        ("0::/docker/x", [V2_MOUNT.format(top="/")], {f"{V2}/cpu.max": "300000 100000"}, 3),  # only its own is mounted
        ("0::/../other", [V2_MOUNT.format(top="/")], {f"{V2}/cpu.max": "300000 100000"}, 3),
        # version 1
        ("4:cpu,cpuacct:/\n3:cpuset:/", [SETS_MOUNT, V1_MOUNT.format(top="/")], v1(V1, 250000), 2.5),
        ("4:cpu,cpuacct:/", [V1_MOUNT.format(top="/")], v1(V1, -1), None),
        ("4:cpuacct,cpu:/docker/x", [V1_MOUNT.format(top="/docker/x")], v1(V1, 50000, 25000), 2),
        ("4:cpu,cpuacct:/kube/pod/c", [V1_MOUNT.format(top="/")], v1(f"{V1}/kube/pod", 100000), 1),
        # both: version 1 has the CPU controller
        (
            *("4:cpu,cpuacct:/a\n0::/b", [V1_MOUNT.format(top="/"), V2_MOUNT.format(top="/")]),
            *(v1(f"{V1}/a", 600000), 6),
        ),
        # neither, or not understood
        ("", [], {}, None),
        ("0::/", [], {f"{V2}/cpu.max": "100000 100000"}, None),
        ("3:cpuset:/", [SETS_MOUNT], v1("sys/fs/cgroup/cpuset", 100000), None),
        *(
            ("0::/", [V2_MOUNT.format(top="/")], {f"{V2}/cpu.max": text}, None)
            for text in (
                *("", "\n", "max", "100000", "0 100000", "100000 0", "-1 100000", "1 2 3", "x y"),
                *("9" * 4000 + " 1", b"\xff 1"),
            )
        ),
        ("4:cpu,cpuacct:/", [V1_MOUNT.format(top="/")], {f"{V1}/cpu.cfs_quota_us": "100000"}, None),
        ("nonsense\n::\n0:\n\n", ["- - -", " - ", "a - cgroup2", "a b - cgroup", "- cgroup"], {}, None),
        (b"0::/\xff\0\n", [V2_MOUNT.format(top="/")], {}, None),
    ],
)
def test_the_smallest_quota_of_the_groups_is_read(system, cgroup, mounts, files, quota):
    assert cores.read_cpu_quota(system(cgroup, mounts, files)) == quota


def test_a_control_file_that_is_a_folder_is_no_quota(system):
    root = system("0::/", [V2_MOUNT.format(top="/")], {f"{V2}/cpu.max/x": ""})
    assert cores.read_cpu_quota(root) is None


def test_a_system_without_proc_has_no_quota(tmp_path):
    assert cores.read_cpu_quota(tmp_path) is None


@pytest.mark.parametrize(("quota", "count"), [(None, 8), (0.1, 1), (1.0, 1), (1.5, 2), (8.5, 8), (64, 8)])
def test_a_quota_limits_the_cores_and_is_rounded_up(monkeypatch, quota, count):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(cores, "read_cpu_quota", lambda: quota)
    assert cores.count_cores() == count


def test_the_quota_of_this_machine_can_be_read():
    quota = cores.read_cpu_quota()
    assert quota is None or quota > 0
    assert 1 <= cores.count_cores() <= os.cpu_count()
