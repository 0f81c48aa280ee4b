from .service import AmtService

__all__ = ["AmtService"]
