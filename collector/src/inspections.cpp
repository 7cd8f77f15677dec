#include "inspections.hpp"

namespace umbel::collector {
namespace {

namespace json = boost::json;

const json::object* object_at(const json::object& in, std::string_view key) {
  const json::value* const found = in.if_contains(key);
  return found == nullptr ? nullptr : found->if_object();
}

std::int64_t whole_at(const json::object& in, std::string_view key) {
  const json::value* const found = in.if_contains(key);
  if (found == nullptr) return 0;
  boost::system::error_code none;
  const auto number = found->to_number<std::int64_t>(none);
  return none ? 0 : number;
}

bool is_list(std::string_view method) { return method != "stats" && method != "conf"; }

// Without what gives secrets away: the other brokers' addresses stand there with their passwords.
void clean(json::value& answer) {
  json::object* const object = answer.if_object();
  if (object == nullptr) return;
  for (const char* key : {"broker", "consumer"}) {
    json::value* const part = object->if_contains(key);
    if (part == nullptr || !part->is_object()) continue;
    part->get_object().erase("alternates");
    if (json::value* const broker = part->get_object().if_contains("broker");
        broker != nullptr && broker->is_object()) {
      broker->get_object().erase("alternates");
    }
  }
}

// 5.2 does not name its pool; each kind says something of its own.
std::string pool_kind(const json::object& pool) {
  if (const json::value* const named = pool.if_contains("implementation");
      named != nullptr && named->is_string()) {
    std::string name{named->get_string()};
    name = name.substr(0, name.find(':'));
    if (const auto dot = name.rfind('.'); dot != std::string::npos) name = name.substr(dot + 1);
    return name == "thread" ? "threads" : name;
  }
  if (pool.contains("threads")) return "threads";
  if (pool.contains("running_threads") || pool.contains("free_threads")) return "eventlet";
  if (pool.contains("writes")) return "prefork";
  const json::value* const timeouts = pool.if_contains("timeouts");
  if (timeouts != nullptr && timeouts->is_array() && timeouts->get_array().empty()) return "solo";
  return pool.contains("processes") ? "prefork" : "";
}

}  // namespace

WorkerFacts facts_of(const Inspection& inspection) {
  WorkerFacts facts;
  if (const json::object* const stats = object_at(inspection.answers, "stats")) {
    facts.pid = whole_at(*stats, "pid");
    if (const json::object* const pool = object_at(*stats, "pool")) {
      facts.slots = whole_at(*pool, "max-concurrency");
      facts.pool = pool_kind(*pool);
      // What it was started with; once it has grown, the processes tell.
      const json::value* const processes = pool->if_contains("processes");
      if (facts.pool == "prefork" && processes != nullptr && processes->is_array() &&
          !processes->get_array().empty()) {
        facts.slots = static_cast<std::int64_t>(processes->get_array().size());
      }
    }
  }
  const json::value* const queues = inspection.answers.if_contains("active_queues");
  if (queues == nullptr || !queues->is_array()) return facts;
  for (const json::value& queue : queues->get_array()) {
    const json::value* const name =
        queue.is_object() ? queue.get_object().if_contains("name") : nullptr;
    if (name == nullptr || !name->is_string()) continue;
    if (!facts.queues.empty()) facts.queues += ',';
    facts.queues += std::string_view{name->get_string()};
  }
  return facts;
}

bool Inspections::put(const std::string& worker, std::string_view method, json::value answer,
                      WallTime at) {
  const bool fits = is_list(method) ? answer.is_array()
                                    : answer.is_object() && !answer.get_object().contains("error");
  std::size_t bytes = 0;
  if (fits) {
    if (json::array* const list = answer.if_array(); list != nullptr && list->size() > kMostItems)
      list->resize(kMostItems);
    clean(answer);
    bytes = json::serialize(answer).size();
  }
  const std::lock_guard lock{mutex_};
  auto found = kept_.find(worker);
  if (found == kept_.end()) {
    if (!fits) return true;
    if (kept_.size() >= kMostWorkers) return false;
    found = kept_.try_emplace(worker).first;
  }
  Kept& kept = found->second;
  std::size_t& before = kept.bytes[std::string{method}];
  bytes_ -= before;
  before = 0;
  kept.inspection.answers.erase(method);
  if (!fits) return true;
  if (bytes_ + bytes > kMostBytes) return false;
  bytes_ += before = bytes;
  kept.inspection.answers.emplace(method, std::move(answer));
  kept.inspection.at = at;
  return true;
}

std::optional<Inspection> Inspections::find(const std::string& worker) const {
  const std::lock_guard lock{mutex_};
  const auto found = kept_.find(worker);
  if (found == kept_.end()) return std::nullopt;
  return found->second.inspection;
}

std::map<std::string, Inspection> Inspections::all() const {
  std::map<std::string, Inspection> all;
  const std::lock_guard lock{mutex_};
  for (const auto& [worker, kept] : kept_) all.emplace(worker, kept.inspection);
  return all;
}

void Inspections::keep_only(const std::set<std::string>& workers) {
  const std::lock_guard lock{mutex_};
  std::erase_if(kept_, [&](const auto& item) {
    if (workers.contains(item.first)) return false;
    for (const auto& [method, bytes] : item.second.bytes) bytes_ -= bytes;
    return true;
  });
}

}  // namespace umbel::collector
