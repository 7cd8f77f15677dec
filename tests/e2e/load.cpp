#include "load.hpp"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <utility>

#include "umbel/http/client.hpp"

namespace umbel::e2e {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr std::size_t kResultsAtOnce = 1000;

// Sleeps up to the next beat of `pace`; what was slept through is not made up for.
void keep_pace(Steady::time_point& next, microseconds pace) {
  next = std::max(next + pace, Steady::now() - std::chrono::seconds{1});
  std::this_thread::sleep_until(next);  // the pace of the load itself
}

}  // namespace

Load::Load(Enqueuer& enqueuer, Store& store, std::string api_url, double per_second, bool unlucky)
    : enqueuer_{enqueuer},
      store_{store},
      api_url_{std::move(api_url)},
      unlucky_{unlucky},
      pace_{static_cast<microseconds::rep>(2e6 / per_second)},
      library_{[this](const std::stop_token& stop) { ask_library(stop); }},
      api_{[this](const std::stop_token& stop) { ask_api(stop); }},
      watcher_{[this](const std::stop_token& stop) { watch(stop); }} {}

Load::~Load() = default;

void Load::stop_asking() {
  for (std::jthread* thread : {&library_, &api_}) {
    thread->request_stop();
    if (thread->joinable()) thread->join();
  }
}

// Mostly tasks that leave a trace outside Umbel, some that answer, some that fail and are tried
// again.
Load::Request Load::next(std::uint64_t number) const {
  if (unlucky_ && number % 20 == 7) return {"flaky", R"({"rate": 0.3})", "", false};
  if (number % 5 == 3) return {"add", fmt::format(R"({{"x": {}, "y": 1}})", number), "", true};
  const std::string token = fmt::format("token-{}", number);
  return {"touch", fmt::format(R"({{"path": "tokens", "token": "{}"}})", token), token, true};
}

void Load::ask_library(const std::stop_token& stop) {
  for (auto at = Steady::now(); !stop.stop_requested(); keep_pace(at, pace_)) {
    const Request request = next(number_++);
    TaskRequest task;
    task.name = request.name;
    task.kwargs = request.kwargs;
    const auto accepted = enqueuer_.submit(std::span{&task, 1});
    if (accepted) {
      given(accepted->front().id, request, false);
    } else {
      ++refused_;
    }
  }
}

void Load::ask_api(const std::stop_token& stop) {
  http::Client client;
  for (auto at = Steady::now(); !stop.stop_requested(); keep_pace(at, pace_)) {
    const Request request = next(number_++);
    http::ClientRequest call;
    call.method = "POST";
    call.url = api_url_ + "/task/" + request.name;
    call.body = request.kwargs;
    call.timeout = std::chrono::seconds{5};
    const auto answer = client.send(call);
    boost::system::error_code broken;
    const auto document =
        answer && answer->status == 200 ? boost::json::parse(answer->body, broken) : nullptr;
    if (broken || document.is_null()) {
      ++refused_;  // no id was given out: nothing is owed
      continue;
    }
    given(TaskId{std::string{document.at("task").at("id").as_string()}}, request, true);
  }
}

void Load::given(TaskId id, const Request& request, bool over_http) {
  const std::lock_guard lock{mutex_};
  const auto now = Steady::now();
  Asked asked{id, request.token, request.must_succeed, over_http, phase_, now, {}};
  const std::size_t place = asked_.size();
  if (early_.erase(id) > 0) {
    asked.took = milliseconds{0};
  } else {
    open_.emplace(now, place);
    places_.emplace(std::move(id), place);
  }
  asked_.push_back(std::move(asked));
}

void Load::saw(const TaskId& id, Steady::time_point now) {
  const auto found = places_.find(id);
  if (found == places_.end()) {
    early_.emplace(id, now);
    return;
  }
  Asked& asked = asked_[found->second];
  asked.took = std::chrono::duration_cast<milliseconds>(now - asked.given);
  open_.erase({asked.given, found->second});
  places_.erase(found);
}

void Load::watch(const std::stop_token& stop) {
  std::uint64_t seen = 0;
  while (!stop.stop_requested()) {
    const auto read = store_.results().finished_since(seen, kResultsAtOnce);
    const auto now = Steady::now();
    if (read) {
      const std::lock_guard lock{mutex_};
      for (const StoredTask& each : *read) {
        seen = std::max(seen, each.sequence);
        saw(each.id, now);
      }
    }
    if (!read || read->size() < kResultsAtOnce) {
      // Between looks, not instead of one: results of other processes come without a sign.
      std::this_thread::sleep_for(milliseconds{20});
    }
  }
}

std::size_t Load::open_before(Steady::time_point instant) const {
  const std::lock_guard lock{mutex_};
  std::size_t count = 0;
  for (const auto& [given, place] : open_) {
    if (given >= instant) break;
    ++count;
  }
  return count;
}

std::vector<Asked> Load::asked() const {
  const std::lock_guard lock{mutex_};
  return asked_;
}

}  // namespace umbel::e2e
