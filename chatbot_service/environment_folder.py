"""`operation_ports.EnvironmentFile` on the project's folder: the `.env` file that Compose reads there."""

from pathlib import Path

from chatbot_service.env_file import MOST_CHARACTERS
from chatbot_service.foreign_text import one_line
from chatbot_service.project import replace_whole, sync_folder
from deploy_records.errors import Broken, Refused

_OWN_MODE = 0o600


class EnvironmentFolder:
    def __init__(self, directory: str, name: str = ".env") -> None:
        self._folder = Path(directory)
        self._name = name

    def read(self) -> str | None:
        file = self._path()
        try:
            with file.open("rb") as opened:
                content = opened.read(MOST_CHARACTERS + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Broken(f"The environment file {file} cannot be read: {error.strerror}.") from error
        if len(content) > MOST_CHARACTERS:
            raise Refused(f"The environment file {file} is larger than 500 kB. Nothing was changed.")
        try:
            return content.decode()
        except UnicodeDecodeError as error:
            raise Refused(f"The environment file {file} is not UTF-8 text. Save it as UTF-8. Nothing was changed.") from error

    def write(self, text: str | None) -> None:
        file = self._path()
        try:
            if text is None:
                file.unlink(missing_ok=True)
            else:
                replace_whole(file, text, mode=_OWN_MODE)
            sync_folder(file.parent)
        except OSError as error:
            raise Broken(f"The environment file {file} cannot be written: {error.strerror}.") from error

    def _path(self) -> Path:
        """`Refused` for what is no plain file: a link could lead anywhere."""
        file = self._folder / self._name
        if not self._folder.is_dir():
            raise Refused(f"There is no folder {one_line(str(self._folder))} on this host. Nothing was changed.")
        if file.is_symlink() or (file.exists() and not file.is_file()):
            raise Refused(f"{one_line(str(file))} is a link or no plain file. Put a file in its place. Nothing was changed.")
        return file
