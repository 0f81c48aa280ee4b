from .service import RedfishService

__all__ = ["RedfishService"]
