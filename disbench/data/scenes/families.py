"""The families of objects: what they are called, who builds them, how they are looked at and painted."""

from collections.abc import Callable
from dataclasses import dataclass

from . import backgrounds as bg
from . import nature, structures, things, vehicles


@dataclass(frozen=True)
class Family:
    """`yaw` and `roll` are the largest turns, `pitch` their range, in degrees; a positive pitch looks from above.

    `scenery` are the backgrounds that it is found before.
    """

    group: str
    category: str
    build: Callable
    palette: str
    scenery: tuple[Callable, ...]
    yaw: float = 50
    pitch: tuple[float, float] = (-5, 20)
    roll: float = 6
    slim: float = 0.35


LAND = (bg.landscape, bg.foliage, bg.grass, bg.city, bg.bokeh)
STREET = (bg.bricks, bg.plaster, bg.foliage, bg.grass, bg.city, bg.studio)
ROOM = (bg.studio, bg.checkers, bg.shelf, bg.plaster, bg.planks, bg.bokeh)
TABLE = (bg.planks, bg.fabric, bg.pebbles, bg.plaster, bg.studio)
GARDEN = (bg.foliage, bg.grass, bg.bricks, bg.bokeh, bg.landscape, bg.planks)
SEA = (bg.water, bg.landscape, bg.water, bg.bokeh)
GROUPS = ("Vehicle", "Structure", "Nature", "Furniture", "Music", "Machine", "Tool")
FAMILIES = (
    Family("Vehicle", "Bicycle", vehicles.bicycle, "paint", STREET, 35),
    Family("Vehicle", "WagonWheel", vehicles.wagon_wheel, "wood", GARDEN, 50, (-20, 20), 180, 0.7),
    Family("Vehicle", "Trolley", vehicles.trolley, "metal", (*STREET, bg.checkers, bg.shelf), 60, (5, 30)),
    Family("Vehicle", "Ship", vehicles.sailing_ship, "wood", SEA, 40, (-5, 12)),
    Family("Structure", "FerrisWheel", vehicles.ferris_wheel, "paint", LAND, 40, (-15, 10)),
    Family("Structure", "WindPump", vehicles.windmill, "metal", LAND, 45, (-25, 0)),
    Family("Structure", "Ladder", structures.ladder, "wood", (*STREET, *ROOM), 60, (-5, 25), 20),
    Family("Structure", "Gate", structures.gate, "metal", (*GARDEN, bg.plaster), 45, (-8, 12)),
    Family("Structure", "Fence", structures.fence, "metal", (*LAND, bg.bricks, bg.water), 45, (-10, 15)),
    Family("Structure", "Tower", structures.tower, "metal", LAND, 45, (-25, 5)),
    Family("Structure", "Pylon", structures.pylon, "metal", LAND, 40, (-25, 0)),
    Family("Structure", "Crane", structures.crane, "paint", (*LAND, bg.bricks), 45, (-25, 5)),
    Family("Structure", "Bridge", structures.bridge, "paint", (*SEA, bg.city), 45, (3, 20)),
    Family("Structure", "Staircase", structures.staircase, "metal", (*ROOM, bg.bricks), 180, (-10, 25)),
    Family("Nature", "Tree", nature.tree, "plant", LAND, 180, (-8, 8)),
    Family("Nature", "Fern", nature.fern, "plant", (*ROOM, *GARDEN), 180, (0, 25)),
    Family("Nature", "Flower", nature.flower, "plant", (*ROOM, *GARDEN), 180, (-10, 20)),
    Family("Nature", "SpiderWeb", nature.spider_web, "plant", GARDEN, 35, (-15, 15), 15),
    Family("Nature", "Dragonfly", nature.dragonfly, "plant", (*GARDEN, *TABLE, bg.water), 35, (-30, 30), 60),
    Family("Furniture", "Chair", things.chair, "wood", (*ROOM, bg.grass, bg.bricks), 180, (5, 28), 6, 0.6),
    Family("Furniture", "BirdCage", things.bird_cage, "metal", (*ROOM, bg.foliage), 180, (-5, 25)),
    Family("Furniture", "Chandelier", things.chandelier, "metal", (*ROOM, bg.fabric), 180, (-20, 8)),
    Family("Furniture", "Umbrella", things.umbrella, "paint", (*STREET, bg.water, bg.bokeh), 180, (-35, 25), 40),
    Family("Music", "Harp", things.harp, "wood", ROOM, 40),
    Family("Music", "Lyre", things.lyre, "wood", (*ROOM, *TABLE), 40, (-10, 15), 15),
    Family("Machine", "Gear", things.gears, "metal", (*TABLE, bg.bricks, bg.city), 45, (-25, 30), 180, 1),
    Family("Machine", "Chain", things.chain, "metal", (*TABLE, bg.bricks, bg.water), 60, (-40, 40), 45, 0.6),
    Family("Tool", "Rope", things.rope, "wood", (*TABLE, bg.water, bg.grass), 60, (-50, 50), 180, 0.95),
    Family("Tool", "Whisk", things.whisk, "metal", (*TABLE, bg.shelf, bg.checkers), 180, (-35, 35), 60),
    Family("Tool", "Spectacles", things.spectacles, "paint", (*TABLE, bg.shelf, bg.bokeh), 40, (5, 35), 15),
)
