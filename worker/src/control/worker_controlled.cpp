#include "worker_controlled.hpp"

#include <fmt/format.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <fstream>
#include <iterator>

#include "election.hpp"
#include "stats.hpp"
#include "umbel/base/text.hpp"
#include "umbel/celery/json.hpp"
#include "umbel/runtime/settings.hpp"

namespace umbel {
namespace {

namespace json = boost::json;

const char* pool_name(PoolKind kind) { return kind == PoolKind::Prefork ? "prefork" : "threads"; }

json::value or_null(const std::optional<double>& value) {
  return value ? json::value(*value) : json::value(nullptr);
}

}  // namespace

std::string shown_url(const std::string& url) {
  std::string shown;
  for (std::size_t from = 0; from <= url.size();) {
    const auto end = std::min(url.find(';', from), url.size());
    auto one = url.substr(from, end - from);
    one.resize(std::min(one.find('?'), one.size()));
    const auto scheme = one.find("://");
    const auto host = scheme == std::string::npos ? std::string::npos : scheme + 3;
    const auto at = host == std::string::npos ? host : one.rfind('@', one.find('/', host));
    if (at != std::string::npos && at >= host) {
      if (const auto colon = one.find(':', host); colon < at) {
        one.replace(colon + 1, at - colon - 1, "********");
      }
    }
    shown += (shown.empty() ? "" : ";") + one;
    from = end + 1;
  }
  return shown;
}

WorkerControlled::WorkerControlled(Parts parts, Log log)
    : parts_{std::move(parts)},
      log_{std::move(log)},
      node_{parts_.options.name.str()},
      started_{parts_.clock.steady()} {}

std::vector<HeldTask> WorkerControlled::reserved() {
  auto tasks = parts_.pool.waiting();
  auto limited = parts_.gate.waiting();
  std::move(limited.begin(), limited.end(), std::back_inserter(tasks));
  return tasks;
}

WorkerFacts WorkerControlled::facts() {
  auto figures = parts_.pool.figures();
  const auto own = parts_.time_limits.own();
  const auto& options = parts_.options;
  WorkerFacts facts;
  facts.total = parts_.pool.totals();
  facts.uptime = std::chrono::duration<double>(parts_.clock.steady() - started_).count();
  facts.pool.processes_of_its_own = options.pool == PoolKind::Prefork;
  facts.pool.slots = figures.size;
  facts.pool.processes = std::move(figures.processes);
  facts.pool.jobs = std::move(figures.jobs);
  facts.pool.active = figures.active;
  facts.pool.stuck = figures.stuck;
  facts.pool.soft_limit = own.soft;
  facts.pool.hard_limit = own.hard;
  if (options.max_tasks_per_child > 0) {
    facts.pool.tasks_per_child = static_cast<std::int64_t>(options.max_tasks_per_child);
  }
  facts.broker = broker_document(options.broker_url);
  facts.prefetch = parts_.fetcher.prefetch();
  if (parts_.autoscaler != nullptr) facts.autoscale = parts_.autoscaler->figures();
  return facts;
}

json::object WorkerControlled::conf(bool with_defaults) {
  const auto& options = parts_.options;
  const auto own = parts_.time_limits.own();
  json::object conf;
  conf["broker_url"] = shown_url(options.broker_url);
  conf["result_backend"] = options.result_backend.empty()
                               ? json::value(nullptr)
                               : json::value(shown_url(options.result_backend));
  conf["deprecated_settings"] = nullptr;
  conf["include"] = json::array{};
  conf["beat_schedule"] = json::object{};
  conf["task_acks_late"] = true;
  conf["task_default_queue"] = kDefaultQueue;
  conf["task_send_sent_event"] = true;
  conf["worker_concurrency"] = options.concurrency;
  conf["worker_pool"] = pool_name(options.pool);
  conf["worker_pool_restarts"] = options.pool_restarts;
  conf["worker_prefetch_multiplier"] = options.prefetch_multiplier;
  conf["worker_send_task_events"] = options.events;
  if (options.max_tasks_per_child > 0) {
    conf["worker_max_tasks_per_child"] = options.max_tasks_per_child;
  }
  if (options.max_memory_per_child > 0) {
    conf["worker_max_memory_per_child"] = options.max_memory_per_child;
  }
  if (own.soft || with_defaults) conf["task_soft_time_limit"] = or_null(own.soft);
  if (own.hard || with_defaults) conf["task_time_limit"] = or_null(own.hard);
  if (options.autoscale) {
    conf["worker_autoscale"] =
        fmt::format("{},{}", options.autoscale->first, options.autoscale->second);
  }
  if (!options.state_file.empty()) conf["worker_state_db"] = options.state_file;
  if (!with_defaults) return conf;
  conf["accept_content"] = json::array{"json"};
  conf["enable_utc"] = true;
  conf["result_serializer"] = "json";
  conf["task_serializer"] = "json";
  conf["task_protocol"] = 2;
  conf["task_track_started"] = true;
  conf["timezone"] = "UTC";
  conf["worker_enable_remote_control"] = true;
  return conf;
}

// In the order of Celery's bug report.
std::string WorkerControlled::report() {
  utsname system{};
  (void)uname(&system);
  const auto transport = parts_.options.broker_url.substr(0, parts_.options.broker_url.find(':'));
  std::string settings;
  for (const auto& [key, value] : conf(false)) {
    settings += fmt::format("{}: {}\n", std::string_view{key}, json::serialize(value));
  }
  return fmt::format(
      "\nsoftware -> umbel:{}\nplatform -> system:{} arch:{}\n            kernel version:{}\n"
      "settings -> transport:{} results:{}\n\n{}",
      version(), system.sysname, system.machine, system.release, transport,
      parts_.options.result_backend.empty() ? "the store"
                                            : shown_url(parts_.options.result_backend),
      settings);
}

std::uint64_t WorkerControlled::resident_memory() {
  std::ifstream statm{"/proc/self/statm"};
  std::uint64_t size = 0, resident = 0;
  if (!(statm >> size >> resident)) return 0;
  return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

bool WorkerControlled::terminate(const std::string& id, int signal) {
  auto control = parts_.pool.terminate(TaskId{id}, signal);
  if (!control) return false;
  if (parts_.pool.can_kill()) {
    log_.info("task terminated on request", {{"task_id", id}, {"signal", signal}});
  } else {
    log_.info(
        "task told to stop on request: under --pool=threads it cannot be killed, and ends as "
        "revoked when it returns",
        {{"task_id", id}, {"signal", signal}});
    parts_.told_to_stop(std::move(control));
  }
  return true;
}

Result<void> WorkerControlled::resize_pool(std::size_t slots) {
  if (slots > Pool::kMostSlots) {
    return invalid(fmt::format("a pool has at most {} slots, not {}", Pool::kMostSlots, slots));
  }
  const auto before = parts_.pool.size();
  const auto now = parts_.pool.resize(slots);
  parts_.resized(now);
  log_.info("pool resized on request", {{"slots", now}, {"before", before}});
  return {};
}

// Every slot that there is now ends what it runs and is replaced.
Result<void> WorkerControlled::restart_pool() {
  parts_.pool.renew();
  log_.info("pool restarted on request", {{"slots", parts_.pool.size()}});
  return {};
}

std::optional<AutoscaleRange> WorkerControlled::autoscale() {
  if (parts_.autoscaler == nullptr) return std::nullopt;
  return parts_.autoscaler->figures().range;
}

AutoscaleRange WorkerControlled::autoscale(std::optional<std::size_t> most,
                                           std::optional<std::size_t> least) {
  const auto range = parts_.autoscaler->change(most, least);
  parts_.ranged(range);
  return range;
}

void WorkerControlled::shut_down(const std::string& reason) {
  if (shut_down_.exchange(true)) return;  // once: a second signal would end it at once
  log_.warn("shutdown by remote control", {{"reason", shortened(reason, 200)}});
  if (parts_.options.shut_down) {
    parts_.options.shut_down();
  } else {
    log_.warn("this program cannot be stopped by remote control");
  }
}

void WorkerControlled::elect(const std::string& id, const std::string& topic,
                             const boost::json::value& action) {
  if (!parts_.options.gossip) return;
  log_.info("an election is held: this worker votes, to lose it",
            {{"election", shortened(id, 100)}, {"topic", shortened(topic, 100)}});
  const auto vote =
      losing_vote(node_, id, topic, action, parts_.clock.wall(), parts_.lamport.forward());
  const auto told =
      parts_.broker.publish_events(celery::to_json(vote), {.key = kElectionKey, .node = node_});
  if (!told) log_.warn("no vote in an election", {{"reason", told.error().what}});
}

}  // namespace umbel
