"""The import path of the models: `disbench.models.<name>` is the folder of that model, wherever it is.

The registry itself is disbench.registry.
"""

from disbench.system import old_paths

# Before the registry is imported: it looks for plug-ins, whose packages may import old names from here.
__getattr__ = old_paths.forward(
    __name__,
    {
        "Card": "disbench.registry.card:Card",
        "Download": "disbench.registry.card:Download",
        "STATUSES": "disbench.registry.card:STATUSES",
        "add": "disbench.registry.discovery:add_models_folder",
        "card": "disbench.registry.loading:get_card",
        "cards": "disbench.registry.discovery:list_cards",
        "load": "disbench.inference.model:load_model",
    },
)

from disbench.registry.discovery import ROOTS

__path__ = ROOTS
