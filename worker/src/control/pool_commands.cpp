#include "command.hpp"

namespace umbel {
namespace {

namespace json = boost::json;

constexpr std::int64_t kMostStep = 512;

Result<std::size_t> step_of(const Arguments& arguments) {
  const auto n = arguments.whole("n");
  if (!n) return n.error();
  const auto step = n->value_or(1);
  if (step < 1 || step > kMostStep) return arguments.wrong("n", "from 1 to 512");
  return Result<std::size_t>{static_cast<std::size_t>(step)};
}

Reply resized(CommandContext& c, std::size_t slots, const char* answer) {
  if (const auto done = c.worker.resize_pool(slots); !done) {
    return raised_as("ValueError", done.error().what);
  }
  return ok(answer);
}

Reply pool_grow(CommandContext& c, const Arguments& arguments) {
  if (c.worker.autoscale()) {
    return nok("pool_grow is not supported with autoscale. Adjust autoscale range instead.");
  }
  const auto step = step_of(arguments);
  if (!step) return step.error();
  return resized(c, c.worker.pool_size() + *step, "pool will grow");
}

Reply pool_shrink(CommandContext& c, const Arguments& arguments) {
  if (c.worker.autoscale()) {
    return nok("pool_shrink is not supported with autoscale. Adjust autoscale range instead.");
  }
  const auto step = step_of(arguments);
  if (!step) return step.error();
  const auto size = c.worker.pool_size();
  if (*step >= size) {
    return raised_as("ValueError",
                     "Can't shrink pool below one slot: it has " + std::to_string(size));
  }
  return resized(c, size - *step, "pool will shrink");
}

Reply pool_restart(CommandContext& c, const Arguments&) {
  if (!c.worker.pool_restarts()) return raised_as("ValueError", "Pool restarts not enabled");
  if (const auto done = c.worker.restart_pool(); !done) {
    return raised_as("ValueError", done.error().what);
  }
  return ok("reload started");
}

Result<std::optional<std::size_t>> bound_of(const Arguments& arguments, const char* name,
                                            std::int64_t least) {
  const auto given = arguments.whole(name);
  if (!given) return given.error();
  std::optional<std::size_t> bound;
  if (*given) {
    if (**given < least || **given > kMostStep) {
      return arguments.wrong(name, "from " + std::to_string(least) + " to 512");
    }
    bound = static_cast<std::size_t>(**given);
  }
  return bound;
}

Reply autoscale(CommandContext& c, const Arguments& arguments) {
  const auto now = c.worker.autoscale();
  if (!now) return raised_as("ValueError", "Autoscale not enabled");
  const auto most = bound_of(arguments, "max", 1), least = bound_of(arguments, "min", 0);
  if (!most) return most.error();
  if (!least) return least.error();
  if (most->value_or(now->most) < least->value_or(now->least)) {
    return raised_as("ValueError", "max is below min");
  }
  const auto range = c.worker.autoscale(*most, *least);
  return ok("autoscale now max=" + std::to_string(range.most) +
            " min=" + std::to_string(range.least));
}

Reply shutdown(CommandContext& c, const Arguments& arguments) {
  const auto reason = arguments.text("msg");
  c.worker.shut_down(reason && !reason->empty() ? *reason : "Got shutdown from remote");
  return json::value(nullptr);
}

}  // namespace

std::vector<Command> pool_commands() {
  return {
      {"pool_grow", "", true, {}, {"n"}, true, pool_grow},
      {"pool_shrink", "", true, {}, {"n"}, true, pool_shrink},
      {"pool_restart", "", true, {}, {"modules", "reload", "reloader"}, true, pool_restart},
      {"autoscale", "", true, {}, {"max", "min"}, false, autoscale},
      {"shutdown", "", true, {}, {"msg"}, true, shutdown},
  };
}

}  // namespace umbel
