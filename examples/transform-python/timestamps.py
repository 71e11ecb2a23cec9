"""Mends the timestamps of charge points that write local time without an offset, or whose clock was never set."""

import dataclasses
import json
from datetime import UTC, datetime, time

from wit_world import exports
from wit_world.imports import clock, log
from wit_world.imports.types import Frame, FrameAction, FrameAction_Pass, FrameAction_Replace, Info, Peer
from componentize_py_types import Err


class Settings:
    """What `[transforms.config]` may hold: the parameters, as text."""

    def __init__(self, utc_offset: str = "+00:00", earliest: str = "2020-01-01T00:00:00Z") -> None:
        self.local_time = time.fromisoformat("00:00" + utc_offset).tzinfo
        self.earliest = datetime.fromisoformat(earliest)
        if self.local_time is None or self.earliest.tzinfo is None:
            raise ValueError("an offset is missing, as in utc_offset = '+01:00', earliest = '2020-01-01T00:00:00Z'")


settings = Settings()


class Lifecycle(exports.Lifecycle):
    def configure(self, config: str) -> Info:
        """An `Err` that is raised is the refusal: it reaches the person who wrote the configuration."""
        global settings
        try:
            settings = Settings(**json.loads(config))
        except (TypeError, ValueError) as error:
            raise Err(str(error))
        return Info("timestamps", "1.0.0", [])


class Uplink(exports.Uplink):
    def handle(self, peer: Peer, frame: Frame) -> list[FrameAction]:
        if '"timestamp"' not in frame.payload:
            return [FrameAction_Pass()]
        payload = json.loads(frame.payload)
        mended = json.loads(frame.payload, object_hook=mend)
        if mended == payload:
            return [FrameAction_Pass()]
        text = json.dumps(mended, separators=(",", ":"))
        return [FrameAction_Replace(dataclasses.replace(frame, payload=text))]


def mend(members: dict) -> dict:
    """Called for every JSON object of a payload, the inner ones first."""
    if isinstance(written := members.get("timestamp"), str):
        members["timestamp"] = mend_timestamp(written)
    return members


def mend_timestamp(written: str) -> str:
    try:
        moment = datetime.fromisoformat(written)
    except ValueError:
        return written
    has_offset = moment.tzinfo is not None
    if not has_offset:
        moment = moment.replace(tzinfo=settings.local_time)
    if moment < settings.earliest:
        log.log(log.Level.WARN, "the clock of the charge point is not set", [("timestamp", written)])
        return in_utc(datetime.fromtimestamp(clock.unix_ms() / 1000, UTC))
    return written if has_offset else in_utc(moment)


def in_utc(moment: datetime) -> str:
    timespec = "milliseconds" if moment.microsecond else "seconds"
    return moment.astimezone(UTC).isoformat(timespec=timespec).replace("+00:00", "Z")
