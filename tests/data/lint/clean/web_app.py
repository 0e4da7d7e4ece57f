"""An ASGI application with templates, settings and routes."""
import asyncio
import os
from functools import lru_cache
from pathlib import Path

from fastapi import Depends, FastAPI
from jinja2 import Environment, FileSystemLoader, select_autoescape
from mangum import Mangum
from pydantic_settings import BaseSettings

templates = Environment(loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=select_autoescape())
page = templates.get_template("page.html")


class Settings(BaseSettings):
    name: str = "shop"
    debug: bool = os.getenv("DEBUG", "") == "1"


@lru_cache
def get_settings() -> Settings:
    return Settings()


app = FastAPI(title=get_settings().name)
app.add_middleware(object, allow_origins=["*"])
loop = asyncio.new_event_loop()


@app.get("/")
async def root(settings: Settings = Depends(get_settings)):
    return page.render(name=settings.name)


handler = Mangum(app, lifespan="off")
