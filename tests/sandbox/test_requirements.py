"""Requirements that we did not write."""

import pytest

from executor.errors import ReleaseAtFault
from executor.sandbox.requirements import checked_requirements


@pytest.mark.parametrize(
    "line",
    [
        "-r /etc/passwd",
        "--requirement other.txt",
        "-c constraints.txt",
        "-e .",
        "--index-url http://evil.example/simple",
        "--extra-index-url=http://evil.example/simple",
        "--find-links /tmp",
        "--trusted-host evil.example",
        "git+https://evil.example/x.git",
        "evil @ https://evil.example/evil.whl",
        "evil @ file:///etc/passwd",
        "./local",
        "../up",
        "/absolute/path.whl",
        "file:///etc/passwd",
        "https://evil.example/evil.whl",
        "fastapi==1.0 --global-option=x",
        "fastapi==1.0 --config-settings=x=y",
        "fastapi \\\n --index-url=http://evil.example",
        "$(touch /tmp/x)",
        "${SECRET}",
    ],
)
def test_anything_but_a_plain_package_is_refused(line, ledger):
    with pytest.raises(ReleaseAtFault):
        checked_requirements(f"uvicorn==0.54.0\n{line}\n")
    ledger.tried("requirements that are no plain package", threat="squatted packages")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing\n\n",
        "fastapi",
        "fastapi==0.1.0  # why",
        "uvicorn[standard]>=0.30,<1",
        "tomli ; python_version < '3.11'",
        "a.b-c_d ~= 1.0",
        "x==1.0 \\\n    --hash=sha256:" + "a" * 64 + " \\\n    --hash=sha256:" + "b" * 64,
        "x==1.* ; sys_platform == 'linux' \\\n    --hash=sha256:" + "0" * 64,
        "x!=1.5,>=1.0\r\ny===2.0\r\n",
    ],
)
def test_names_versions_markers_and_hashes_pass(text):
    assert checked_requirements(text) is None
