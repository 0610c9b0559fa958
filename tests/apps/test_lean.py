"""What the command line leaves out is there again for whoever needs it."""

import subprocess
import sys


def test_lean_imports_hide_libraries_only_inside_the_block() -> None:
    code = (
        "import sys\nfrom mlsignal.apps.lean import lean_imports\n"
        "with lean_imports():\n    import sklearn.ensemble\n"
        "assert 'pandas' not in sys.modules\nimport pandas\nprint(pandas.DataFrame({'a': [1]}).shape)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "(1, 1)"
