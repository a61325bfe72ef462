"""Which containers need which images, and letting go of removed images when the last of them goes."""

from __future__ import annotations

from linkspan.engine.house import House
from linkspan.engine.registry import Registry
from linkspan.model.image import ImageUse


def image_uses(registry: Registry) -> tuple[ImageUse, ...]:
    """Return one entry per container (call it on the event loop)."""
    return tuple(ImageUse(m.id, m.container.image_id, m.state.running) for m in registry.all())


async def release_images(house: House) -> None:
    """Free what removed images left for containers that are gone; cheap when there is nothing."""
    if house.images.index.hidden():
        await house.workers.run(house.images.release, image_uses(house.registry))
