"""Whether we live, whether we can take messages, and which part is ill if not."""

from dataclasses import dataclass
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fte.daemon.responses import json_response
from fte.domain.errors import FteError
from fte.pg import schema
from fte.pg.pool import Pool


@dataclass(frozen=True, slots=True)
class Health:
    pool: Pool

    def routes(self) -> list[Route]:
        return [
            Route("/health", self._health),
            Route("/health/live", self._live),
            Route("/health/ready", self._health),
        ]

    async def _live(self, _: Request) -> Response:
        return json_response({"status": "alive"})

    async def _health(self, _: Request) -> Response:
        problem = await self._database_problem()
        body = {
            "status": "unhealthy" if problem else "healthy",
            "channels": {
                "email": "inactive",
                "whatsapp": "inactive",
                "web_form": "down" if problem else "active",
            },
            "dependencies": {"database": problem or "up"},
            "timestamp": datetime.now(UTC),
        }
        return json_response(body, code=503 if problem else 200)

    async def _database_problem(self) -> str | None:
        try:
            async with self.pool.connection() as connection:
                await schema.check(connection)
        except FteError:
            return "down"
        return None
