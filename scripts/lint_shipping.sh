#!/usr/bin/env bash
# Lints what Postern is shipped with: shell scripts, YAML, Dockerfile, compose file, systemd unit, Kubernetes
# manifests, GitHub workflows. What it needs and does not find it installs: shellcheck, yamllint, docker-compose and
# systemd from Debian, the rest from npm. Exit status 1 when anything is wrong.
set -euo pipefail
cd "$(dirname "$0")/.."
export NO_COLOR=1

failures=()
step() {
  echo "== $*"
  "$@" || failures+=("$*")
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

need_tools() {
  local missing=()
  command -v shellcheck >/dev/null || missing+=(shellcheck)
  command -v yamllint >/dev/null || missing+=(yamllint)
  command -v docker-compose >/dev/null || docker compose version >/dev/null 2>&1 || missing+=(docker-compose)
  command -v systemd-analyze >/dev/null || missing+=(systemd)
  [ "${#missing[@]}" -eq 0 ] && return
  as_root apt-get update -q
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "${missing[@]}"
}

from_npm() {
  if command -v npx >/dev/null; then
    npx -y "$@"
  else
    deno run --quiet -A "npm:$1" "${@:2}"
  fi
}

shell_scripts() {
  local file
  git ls-files | while read -r file; do
    case "$(head -c 64 "$file" | head -1 | tr -d '\0')" in
      '#!'*sh) printf '%s\0' "$file" ;;
    esac
  done | xargs -0 shellcheck
}

yaml_files() {
  git ls-files -z -- '*.yaml' '*.yml' ':!tests' |
    xargs -0 yamllint --strict -d '{extends: default, rules: {
      document-start: disable, line-length: {max: 200}, truthy: {check-keys: false, allowed-values: ["true", "false", "on", "off"]},
      comments: {min-spaces-from-content: 1}, braces: {max-spaces-inside: 1}}}'
}

dockerfile() {
  local found
  found=$(from_npm dockerfile-utils@0.16.3 lint scripts/container/Dockerfile)
  [ -z "$found" ] && return
  echo "$found"
  return 1
}

compose() {
  if command -v docker-compose >/dev/null; then
    docker-compose -f scripts/container/compose.yaml config -q
  else
    docker compose -f scripts/container/compose.yaml config -q
  fi
}

# The unit names a program that is not installed here: it is verified in a root of its own, where it is.
unit() {
  local root status=0 found
  root=$(mktemp -d)
  mkdir -p "$root/usr/local/bin"
  printf '#!/bin/sh\n' >"$root/usr/local/bin/postern"
  chmod 755 "$root/usr/local/bin/postern"
  sed "s#=/usr/local/bin/postern#=$root/usr/local/bin/postern#" scripts/systemd/postern.service \
    >"$root/postern.service"
  # It warns of mistakes and says nothing of what is right.
  found=$(systemd-analyze verify --man=no "$root/postern.service" 2>&1) || status=1
  if [ -n "$found" ]; then
    echo "$found"
    status=1
  fi
  # 10 is an open door; what is left of 1.6 is the network, which a proxy needs, and V8's compiler.
  systemd-analyze security --offline=true --threshold=20 "$root/postern.service" | tail -1 || status=1
  rm -rf "$root"
  return "$status"
}

kubernetes() {
  local files
  mapfile -t files < <(git ls-files -- 'scripts/kubernetes/*.yaml' ':!scripts/kubernetes/postern.yaml')
  # Nothing, or one flag.
  # shellcheck disable=SC2046
  deno run --quiet -A $(deno task -q imports) scripts/kubernetes/validate.ts "${files[@]}" 2>&1 | grep -v DEP0040
  return "${PIPESTATUS[0]}"
}

workflows() {
  local file status=0
  for file in .github/workflows/*.yaml; do
    from_npm @action-validator/cli@0.6.0 "$file" || status=1
  done
  return "$status"
}

need_tools
step shell_scripts
step yaml_files
step dockerfile
step compose
step unit
step kubernetes
step workflows
step deno task -q compile --verify

for failure in "${failures[@]}"; do echo "FAILED: $failure"; done
[ "${#failures[@]}" -eq 0 ] && echo "shipping: nothing to complain about"
