#!/bin/sh
# Lets the running app container make the text of the next revision, and writes it into this checkout: the container's own
# tree is read-only. For machines that have containers but no Node.js.
set -eu
text=$(docker compose exec -T app node scripts/db-revision.ts --print -- "${1:-}")
path=$(printf '%s\n' "$text" | head -n 1)
case $path in
  src/db/migrations/[0-9][0-9][0-9][0-9]_*.ts) ;;
  *)
    echo "the container answered no revision but: $path" >&2
    exit 1
    ;;
esac
name=$(basename "$path")
newest=$(ls src/db/migrations | sort | tail -n 1)
if [ "$(printf '%.4s' "$newest")" -ge "$(printf '%.4s' "$name")" ]; then
  echo "this checkout has $newest already, the container does not: docker compose up -d --build, then again" >&2
  exit 1
fi
set -C # never overwrite
printf '%s\n' "$text" | tail -n +2 > "$path"
echo "wrote $path"
echo "next: fill in what it marks; where there is Node.js: npm run schema:write, then make test"
