// The collector's HTTP routes: docs/api.md in code.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "assets.hpp"
#include "control_client.hpp"
#include "discovery.hpp"
#include "inspections.hpp"
#include "live.hpp"
#include "live_stream.hpp"
#include "umbel/base/clock.hpp"
#include "umbel/base/log.hpp"
#include "umbel/enqueue/enqueuer.hpp"
#include "umbel/history/history.hpp"
#include "umbel/http/router.hpp"
#include "umbel/metrics/metrics.hpp"
#include "umbel/store/store.hpp"

namespace umbel::collector {

class Inspector;

// What the routes use; all of it outlives them.
struct ApiParts {
  Live& live;
  Broker& broker;
  ControlClient& control;
  Inspections& inspections;
  Inspector& inspector;
  LiveStream& stream;
  Store& store;
  History& history;
  Enqueuer& enqueuer;
  const Clock& clock;
  prometheus::Counter& accepted;  // tasks
  Log log;
  std::vector<StaticTarget> static_targets;
  std::span<const Asset> assets;
  bool closed =
      false;  // reachable from elsewhere without authentication: 401 for /api and every POST
};

void add_api_routes(http::Router& router, const ApiParts& parts);

// 401 where the API is closed; nothing otherwise.
[[nodiscard]] std::optional<http::Response> refuse_if_closed(bool closed);

// The status of one task, from the result, the live state, the acceptance or the history, in this
// order; a value of {"id", "result", "status"}. NotFound: no such task.
[[nodiscard]] Result<std::string> task_status(Store& store, History& history, Live& live,
                                              const TaskId& id);

}  // namespace umbel::collector
