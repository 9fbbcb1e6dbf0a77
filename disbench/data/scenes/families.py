"""The families of objects: what they are called, who builds them, how they are looked at and painted."""

from collections.abc import Callable
from dataclasses import dataclass

from . import nature, structures, things, vehicles


@dataclass(frozen=True)
class Family:
    """`yaw`, `pitch` and `roll` are the largest turns, in degrees; pitch leans towards a view from above."""

    group: str
    category: str
    build: Callable
    palette: str
    yaw: float = 50
    pitch: tuple[float, float] = (-5, 20)
    roll: float = 6


GROUPS = ("Vehicle", "Structure", "Nature", "Furniture", "Music", "Machine", "Tool")
FAMILIES = (
    Family("Vehicle", "Bicycle", vehicles.bicycle, "paint", 35),
    Family("Vehicle", "WagonWheel", vehicles.wagon_wheel, "wood", 50, (-20, 20), 180),
    Family("Vehicle", "Trolley", vehicles.pram, "metal", 60, (5, 30)),
    Family("Vehicle", "Ship", vehicles.sailing_ship, "wood", 40, (-5, 12)),
    Family("Structure", "FerrisWheel", vehicles.ferris_wheel, "paint", 40, (-15, 10)),
    Family("Structure", "WindPump", vehicles.windmill, "metal", 45, (-25, 0)),
    Family("Structure", "Ladder", structures.ladder, "wood", 60, (-5, 25), 25),
    Family("Structure", "Gate", structures.gate, "metal", 45, (-8, 12)),
    Family("Structure", "Fence", structures.fence, "metal", 45, (-10, 15)),
    Family("Structure", "Tower", structures.tower, "metal", 45, (-25, 5)),
    Family("Structure", "Pylon", structures.pylon, "metal", 40, (-25, 0)),
    Family("Structure", "Crane", structures.crane, "paint", 45, (-25, 5)),
    Family("Structure", "Bridge", structures.bridge, "paint", 45, (3, 20)),
    Family("Structure", "Staircase", structures.staircase, "metal", 180, (-10, 25)),
    Family("Nature", "Tree", nature.tree, "plant", 180, (-8, 8)),
    Family("Nature", "Fern", nature.fern, "plant", 180, (0, 25)),
    Family("Nature", "Flower", nature.flower, "plant", 180, (-10, 20)),
    Family("Nature", "SpiderWeb", nature.spider_web, "plant", 35, (-15, 15), 15),
    Family("Nature", "Dragonfly", nature.dragonfly, "plant", 35, (-30, 30), 60),
    Family("Furniture", "Chair", things.chair, "wood", 180, (5, 28)),
    Family("Furniture", "BirdCage", things.bird_cage, "metal", 180, (-5, 25)),
    Family("Furniture", "Chandelier", things.chandelier, "metal", 180, (-20, 8)),
    Family("Furniture", "Umbrella", things.umbrella, "paint", 180, (-35, 25), 40),
    Family("Music", "Harp", things.harp, "wood", 40),
    Family("Music", "Lyre", things.lyre, "wood", 40, (-10, 15), 15),
    Family("Machine", "Gear", things.gears, "metal", 45, (-25, 30), 180),
    Family("Machine", "Chain", things.chain, "metal", 60, (-40, 40), 45),
    Family("Tool", "Rope", things.rope, "wood", 60, (-50, 50), 180),
    Family("Tool", "Whisk", things.whisk, "metal", 180, (-35, 35), 60),
    Family("Tool", "Spectacles", things.spectacles, "paint", 40, (5, 35), 15),
)
