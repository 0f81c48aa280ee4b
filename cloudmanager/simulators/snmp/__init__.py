from .agent import AcpiBoard, MainsBoard

__all__ = ["AcpiBoard", "MainsBoard"]
