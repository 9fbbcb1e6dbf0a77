"""The families of objects: what they are called, who builds them, how they are looked at and painted."""

from collections.abc import Callable
from dataclasses import dataclass

from . import backgrounds as bg
from . import furniture, nature, structures, tools, vehicles


@dataclass(frozen=True)
class Family:
    """`build(rng, detail)` makes the parts, more and finer ones as `detail` goes from 0 to 1.

    `yaw` and `roll` are the largest turns, `pitch` their range, in degrees; a positive pitch looks from above.
    `scenery` are the backgrounds that it is found before. `slim`: the least share of their width that bars may have.
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
    Family("Furniture", "Chair", furniture.chair, "wood", (*ROOM, bg.grass, bg.bricks), 180, (5, 28), 6, 0.6),
    Family("Furniture", "BirdCage", furniture.bird_cage, "metal", (*ROOM, bg.foliage), 180, (-5, 25)),
    Family("Furniture", "Chandelier", furniture.chandelier, "metal", (*ROOM, bg.fabric), 180, (-20, 8)),
    Family("Furniture", "Umbrella", furniture.umbrella, "paint", (*STREET, bg.water, bg.bokeh), 180, (-35, 25), 40),
    Family("Music", "Harp", tools.harp, "wood", ROOM, 40),
    Family("Music", "Lyre", tools.lyre, "wood", (*ROOM, *TABLE), 40, (-10, 15), 15),
    Family("Machine", "Gear", tools.gears, "metal", (*TABLE, bg.bricks, bg.city), 45, (-25, 30), 180, 1),
    Family("Machine", "Chain", tools.chain, "metal", (*TABLE, bg.bricks, bg.water), 60, (-40, 40), 45, 0.6),
    Family("Tool", "Rope", tools.rope, "wood", (*TABLE, bg.water, bg.grass), 60, (-50, 50), 180, 0.95),
    Family("Tool", "Whisk", tools.whisk, "metal", (*TABLE, bg.shelf, bg.checkers), 180, (-35, 35), 60),
    Family("Tool", "Spectacles", tools.spectacles, "paint", (*TABLE, bg.shelf, bg.bokeh), 40, (5, 35), 15),
)
