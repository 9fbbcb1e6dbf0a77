"""The families of objects: their names, builders, views and paints."""

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass

from . import backgrounds as bg
from . import furniture, nature, structures, tools, vehicles
from .parts import Part


@dataclass(frozen=True)
class Family:
    """One kind of object.

    Attributes:
        group: first part of its name, as in DIS5K.
        category: second part of its name.
        build: build(rng, detail) returns the parts, more and finer ones as detail goes from 0 to 1.
        palette: kind of paints; see disbench.data.scenes.scene.pick_paints.
        scenery: backgrounds that suit it.
        yaw: greatest angle to either side, degrees.
        pitch: range of angles, degrees; positive is seen from above.
        roll: greatest angle to either side, degrees.
        slim: least share of their thickness that bars keep.
    """

    group: str
    category: str
    build: Callable[..., list[Part]]
    palette: str
    scenery: tuple[Callable, ...]
    _: KW_ONLY
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
    Family("Vehicle", "Bicycle", vehicles.bicycle, "paint", STREET, yaw=35),
    Family("Vehicle", "WagonWheel", vehicles.wagon_wheel, "wood", GARDEN, yaw=50, pitch=(-20, 20), roll=180, slim=0.7),
    Family("Vehicle", "Trolley", vehicles.trolley, "metal", (*STREET, bg.checkers, bg.shelf), yaw=60, pitch=(5, 30)),
    Family("Vehicle", "Ship", vehicles.sailing_ship, "wood", SEA, yaw=40, pitch=(-5, 12)),
    Family("Structure", "FerrisWheel", vehicles.ferris_wheel, "paint", LAND, yaw=40, pitch=(-15, 10)),
    Family("Structure", "WindPump", vehicles.windmill, "metal", LAND, yaw=45, pitch=(-25, 0)),
    Family("Structure", "Ladder", structures.ladder, "wood", (*STREET, *ROOM), yaw=60, pitch=(-5, 25), roll=20),
    Family("Structure", "Gate", structures.gate, "metal", (*GARDEN, bg.plaster), yaw=45, pitch=(-8, 12)),
    Family("Structure", "Fence", structures.fence, "metal", (*LAND, bg.bricks, bg.water), yaw=45, pitch=(-10, 15)),
    Family("Structure", "Tower", structures.tower, "metal", LAND, yaw=45, pitch=(-25, 5)),
    Family("Structure", "Pylon", structures.pylon, "metal", LAND, yaw=40, pitch=(-25, 0)),
    Family("Structure", "Crane", structures.crane, "paint", (*LAND, bg.bricks), yaw=45, pitch=(-25, 5)),
    Family("Structure", "Bridge", structures.bridge, "paint", (*SEA, bg.city), yaw=45, pitch=(3, 20)),
    Family("Structure", "Staircase", structures.staircase, "metal", (*ROOM, bg.bricks), yaw=180, pitch=(-10, 25)),
    Family("Nature", "Tree", nature.tree, "plant", LAND, yaw=180, pitch=(-8, 8)),
    Family("Nature", "Fern", nature.fern, "plant", (*ROOM, *GARDEN), yaw=180, pitch=(0, 25)),
    Family("Nature", "Flower", nature.flower, "plant", (*ROOM, *GARDEN), yaw=180, pitch=(-10, 20)),
    Family("Nature", "SpiderWeb", nature.spider_web, "plant", GARDEN, yaw=35, pitch=(-15, 15), roll=15),
    Family(
        "Nature", "Dragonfly", nature.dragonfly, "plant", (*GARDEN, *TABLE, bg.water),
        yaw=35, pitch=(-30, 30), roll=60,
    ),
    Family(
        "Furniture", "Chair", furniture.chair, "wood", (*ROOM, bg.grass, bg.bricks),
        yaw=180, pitch=(5, 28), roll=6, slim=0.6,
    ),
    Family("Furniture", "BirdCage", furniture.bird_cage, "metal", (*ROOM, bg.foliage), yaw=180, pitch=(-5, 25)),
    Family("Furniture", "Chandelier", furniture.chandelier, "metal", (*ROOM, bg.fabric), yaw=180, pitch=(-20, 8)),
    Family(
        "Furniture", "Umbrella", furniture.umbrella, "paint", (*STREET, bg.water, bg.bokeh),
        yaw=180, pitch=(-35, 25), roll=40,
    ),
    Family("Music", "Harp", tools.harp, "wood", ROOM, yaw=40),
    Family("Music", "Lyre", tools.lyre, "wood", (*ROOM, *TABLE), yaw=40, pitch=(-10, 15), roll=15),
    Family(
        "Machine", "Gear", tools.gears, "metal", (*TABLE, bg.bricks, bg.city),
        yaw=45, pitch=(-25, 30), roll=180, slim=1,
    ),
    Family(
        "Machine", "Chain", tools.chain, "metal", (*TABLE, bg.bricks, bg.water),
        yaw=60, pitch=(-40, 40), roll=45, slim=0.6,
    ),
    Family(
        "Tool", "Rope", tools.rope, "wood", (*TABLE, bg.water, bg.grass),
        yaw=60, pitch=(-50, 50), roll=180, slim=0.95,
    ),
    Family("Tool", "Whisk", tools.whisk, "metal", (*TABLE, bg.shelf, bg.checkers), yaw=180, pitch=(-35, 35), roll=60),
    Family(
        "Tool", "Spectacles", tools.spectacles, "paint", (*TABLE, bg.shelf, bg.bokeh),
        yaw=40, pitch=(5, 35), roll=15,
    ),
)
