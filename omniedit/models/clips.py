"""What is known of clips: what their boxes say, and where they are hosted."""

from __future__ import annotations

from datetime import datetime

import attrs

__all__ = ["Hosted", "MediaFacts"]


@attrs.frozen
class MediaFacts:
    """What the boxes of an mp4 say about it. Nothing is decoded."""

    brand: str
    """Major brand of the `ftyp` box, such as `isom`, `mp42` or `qt  `; empty without one."""
    size: int | None
    """Bytes of the whole file, when known."""
    duration: float | None
    """Seconds of the longest video track; the container's when the track does not say; None when unknown."""
    container_duration: float | None
    """Seconds written in the movie header: an AAC track may make it a little longer than the video."""
    width: int | None
    """Pixels, as displayed before rotation."""
    height: int | None
    frames: int | None
    """Samples of the video track, when the tables tell."""
    video_codec: str | None
    """Four-character code of the first video sample entry, such as `avc1`; None without a video track."""
    audio_codec: str | None
    fragmented: bool = False
    moov_at_end: bool = False

    @property
    def frame_rate(self) -> float | None:
        """Mean frames per second, when both frames and duration are known."""
        return self.frames / self.duration if self.frames and self.duration else None


@attrs.frozen
class Hosted:
    """A local file that can be fetched by the service for a while."""

    url: str = attrs.field(repr=False)
    expires_at: datetime | None = None
    """When the host forgets the file; None when it does not say."""
