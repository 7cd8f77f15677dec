#include "line.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <boost/json.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <thread>
#include <utility>

#include "free_offset.hpp"
#include "umbel/base/text.hpp"
#include "umbel/engines/engines.hpp"
#include "umbel/testing/eventually.hpp"

namespace umbel::e2e {
namespace {

namespace json = boost::json;
using std::chrono::milliseconds;
using std::chrono::seconds;
using umbel::testing::eventually;

constexpr std::size_t kMostSaid = 20;  // lines of one kind

const std::map<std::string, seconds> kSchedules{
    {"beat", seconds{1}}, {"discover-cpp", seconds{2}}, {"discover-linux", seconds{2}}};

void say(std::ostream& out, const char* what, const std::vector<std::string>& lines) {
  out << "  " << what << ": " << lines.size() << '\n';
  for (std::size_t i = 0; i < std::min(lines.size(), kMostSaid); ++i) {
    out << "    " << lines[i] << '\n';
  }
}

json::value parsed(const std::optional<std::string>& text) {
  boost::system::error_code broken;
  return text ? json::parse(*text, broken) : json::value{};
}

}  // namespace

double from_environment(const char* name, double otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : std::stod(value);
}

bool sanitized() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return true;
#else
  return false;
#endif
}

std::ostream& operator<<(std::ostream& out, const Account& account) {
  std::size_t over_http = 0;
  for (const Asked& each : account.asked) over_http += each.over_http ? 1 : 0;
  out << "  ids given out: " << account.asked.size() << " (" << over_http
      << " by the API), ticks: " << account.ticks << ", submissions listed: " << account.submissions
      << ", results: " << account.results << '\n';
  say(out, "lost", account.lost);
  say(out, "not told by the collector", account.untold);
  say(out, "wrong", account.wrong);
  return out;
}

Line::Line(LineOptions options) : options_{std::move(options)} {
  if (options_.under_up) {
    port_offset_ = free_offset();
    simulator_port_ = static_cast<std::uint16_t>(8090 + port_offset_);
    collector_port_ = static_cast<std::uint16_t>(5555 + port_offset_);
  }
  write_schedule(dir_.file("source/scheduler/schedule.yaml"));
  std::filesystem::create_directories(dir_.file("touch"));
  const std::string broker = "--broker=" + broker_url_;
  const std::string store = "--store=" + store_url_;
  const std::string simulator = fmt::format("http://127.0.0.1:{}", simulator_port_);
  add("simulator",
      {"umbel-reddit-simulator", fmt::format("--port={}", simulator_port_),
       fmt::format("--rate={}", options_.submissions_per_second), "--subreddits=cpp,linux",
       "--history=20", "--rate-limit=1000000", "--ledger=" + dir_.file("simulator-ledger.log")});
  add("collector", {"umbel-collector", broker, store, fmt::format("--port={}", collector_port_)});
  for (const char* name : {"worker-1", "worker-2"}) {
    add(name, {"umbel-worker", broker, store, fmt::format("--hostname={}@test", name),
               metrics_flag(name), "--concurrency=2", "--touch-dir=" + dir_.file("touch"),
               "--reddit-token-url=" + simulator + "/api/v1/access_token",
               "--reddit-api-url=" + simulator, "--reddit-simulated"});
  }
  if (options_.under_up) {
    add_up();
    return;
  }
  for (int number = 1; number <= options_.schedulers; ++number) {
    const std::string name = number == 1 ? "scheduler" : fmt::format("scheduler-{}", number);
    add(name, {"umbel-scheduler", broker, store, metrics_flag(name),
               "--schedule=" + dir_.file("source/scheduler/schedule.yaml")});
  }
}

Line::~Line() = default;

void Line::add(const std::string& name, std::vector<std::string> argv) {
  Process::Environment environment{{"UMBEL_REDDIT_CLIENT_ID", "test"},
                                   {"UMBEL_REDDIT_CLIENT_SECRET", "test"}};
  if (options_.environment) {
    for (auto& each : options_.environment(name)) environment.push_back(std::move(each));
  }
  argv[0] = umbel::testing::our_program(argv[0]);
  programs_[name] = std::make_unique<Process>(name, std::move(argv), dir_.file(name + ".log"),
                                              std::move(environment));
}

std::string Line::metrics_flag(const std::string& name) {
  if (!options_.metrics) return "--metrics-port=0";
  metrics_ports_[name] = umbel::testing::free_port();
  return fmt::format("--metrics-port={}", metrics_ports_.at(name));
}

// Its programs take from the environment what their flags say when they run alone.
void Line::add_up() {
  const std::filesystem::path repository{UMBEL_SOURCE_DIR};
  for (const char* folder : {"prometheus", "dashboards"}) {
    std::filesystem::create_symlink(repository / folder, dir_.file("source") + "/" + folder);
  }
  programs_["up"] = std::make_unique<Process>(
      "up",
      std::vector<std::string>{umbel::testing::our_program("umbel"), "up", "--source",
                               dir_.file("source"), "--var", dir_.path().string(), "--port-offset",
                               std::to_string(port_offset_)},
      dir_.file("up.log"),
      Process::Environment{{"UMBEL_RATE", std::to_string(options_.submissions_per_second)},
                           {"UMBEL_SUBREDDITS", "cpp,linux"},
                           {"UMBEL_HISTORY", "20"},
                           {"UMBEL_RATE_LIMIT", "1000000"}});
}

void Line::write_schedule(const std::string& file) {
  std::filesystem::create_directories(std::filesystem::path{file}.parent_path());
  std::ofstream schedule{file};
  schedule << "schedules:\n"
              "  - {name: beat, every: 1s, task: touch, args: [beats, beat]}\n"
              "  - {name: discover-cpp, every: 2s, task: reddit.discover, args: [cpp]}\n"
              "  - {name: discover-linux, every: 2s, task: reddit.discover, args: [linux]}\n";
}

void Line::start_up() {
  Process& up = at("up");
  const std::size_t before = up.log().size();
  up.start();
  const auto says_so = [&] {
    return up.log().find("Ctrl-C stops everything", before) != std::string::npos;
  };
  if (!eventually([&] { return !up.running() || says_so(); }, seconds{90}) || !says_so()) {
    throw std::runtime_error{"umbel up does not come up"};
  }
}

void Line::start() {
  if (options_.under_up) {
    start_up();
  } else {
    for (auto& [name, program] : programs_) program->start();
  }
  broker_ = open_broker(broker_url_, clock_, log_).value();
  store_ = open_store(store_url_, clock_, log_).value();
  enqueuer_ = std::make_unique<Enqueuer>(*store_, *broker_, clock_, log_, "gen1@test");
  const auto need = [this](const char* what, const std::function<bool()>& holds) {
    std::string ended;
    const auto decided = [&] {
      for (auto& [name, program] : programs_) {
        if (program->pid() > 0 && !program->running()) ended = name + " ended: ";
      }
      return !ended.empty() || holds();
    };
    if (!eventually(decided, seconds{60}) || !ended.empty()) {
      throw std::runtime_error{ended + what};
    }
  };
  need("the simulator does not answer", [&] { return ledger().has_value(); });
  need("no worker has registered its tasks",
       [&] { return store_->catalogue().find("reddit.discover").has_value(); });
  need("the collector is not ready", [&] { return get(api("/readyz")).has_value(); });
  load_ = std::make_unique<Load>(*enqueuer_, *store_, api(""), options_.tasks_per_second,
                                 options_.unlucky);
}

Process& Line::at(const std::string& name) { return *programs_.at(name); }

std::vector<std::string> Line::names() const {
  std::vector<std::string> all;
  for (const auto& [name, program] : programs_) all.push_back(name);
  return all;
}

std::string Line::api(const std::string& path) const {
  return fmt::format("http://127.0.0.1:{}{}", collector_port_, path);
}

std::string Line::at_program(const std::string& name, const std::string& path) const {
  if (name == "collector") return api(path);
  return fmt::format("http://127.0.0.1:{}{}", metrics_ports_.at(name), path);
}

std::optional<std::string> Line::get(const std::string& url) {
  http::ClientRequest request;
  request.url = url;
  request.timeout = seconds{5};
  auto answer = client_.send(request);
  if (!answer || answer->status != 200) return std::nullopt;
  return std::move(answer->body);
}

std::function<bool()> Line::works_again(const std::string& name, Steady::time_point since,
                                        WallTime wall) {
  if (name.starts_with("worker") || !programs_.contains(name)) {
    return [this, since] { return load_->open_before(since) == 0; };
  }
  if (name.starts_with("scheduler")) {
    return [this, wall] {
      const auto beat = store_->ticks().latest("beat");
      return beat && *beat && (*beat)->recorded > wall;
    };
  }
  if (name == "simulator") {
    return [this, wall] {
      const auto newest = store_->submissions().latest(1);
      return newest && !newest->empty() && newest->front().fetched > wall;
    };
  }
  // The collector: a task that it took in itself is told of, up to its end.
  return [this, id = std::make_shared<std::string>()] {
    if (id->empty()) {
      http::ClientRequest request;
      request.method = "POST";
      request.url = api("/task/add");
      request.body = R"({"x": 1, "y": 1})";
      request.timeout = seconds{5};
      const auto answer = client_.send(request);
      if (!answer || answer->status != 200) return false;
      *id = json::parse(answer->body).at("task").at("id").as_string();
    }
    const auto info = parsed(get(api("/api/task/info/" + *id)));
    return info.is_object() && info.at("state") == "SUCCESS";
  };
}

std::optional<std::set<std::string>> Line::ledger() {
  http::Client client;  // the document may be large: not over the connection that others share
  http::ClientRequest request;
  request.url = fmt::format("http://127.0.0.1:{}/ledger", simulator_port_);
  request.max_body = 256UL * 1024 * 1024;
  const auto answer = client.send(request);
  if (!answer || answer->status != 200) return std::nullopt;
  const auto document = json::parse(answer->body);
  std::set<std::string> listed;
  for (const auto& entry : document.at("listed").as_array()) {
    listed.emplace(entry.at("fullname").as_string());
  }
  return listed;
}

// Nothing waits anywhere: neither in a queue, nor with a worker, nor in the outbox.
bool Line::idle() {
  const auto unpublished = store_->outbox().unpublished(clock_.wall() + std::chrono::hours{48}, 1);
  if (!unpublished || !unpublished->empty()) return false;
  if (options_.broker_idle) return options_.broker_idle();
  const auto queues = broker_->queues();
  if (!queues) return false;
  return std::all_of(queues->begin(), queues->end(), [](const QueueFigures& queue) {
    return queue.ready + queue.unacked.value() + queue.delayed.value() == 0;
  });
}

void Line::stop_schedule(Account& account) {
  const auto stop = [&](const std::string& name) {
    if (!at(name).stop()) account.wrong.push_back(name + " did not stop");
  };
  if (!options_.under_up) {
    for (const std::string& name : names()) {
      if (name.starts_with("scheduler")) stop(name);
    }
    return;
  }
  stop("up");
  for (const char* name : {"simulator", "collector", "worker-1", "worker-2"}) at(name).start();
}

// The load ends, then the schedule, then one more look at each subreddit, so that all that was
// listed to a worker that died has been listed again.
void Line::stop_load(Account& account) {
  load_->stop_asking();
  stop_schedule(account);
  for (const char* subreddit : {"cpp", "linux"}) {
    TaskRequest request;
    request.name = "reddit.discover";
    request.args = fmt::format(R"(["{}"])", subreddit);
    const auto accepted = enqueuer_->submit(std::span{&request, 1});
    if (!accepted) account.wrong.push_back("the last look: " + accepted.error().what);
  }
  if (!eventually([&] { return idle(); }, seconds{180})) {
    std::string left;
    if (const auto queues = broker_->queues()) {
      for (const QueueFigures& queue : *queues) {
        left += fmt::format(" {}: {} ready, {} held, {} delayed;", queue.name.str(), queue.ready,
                            queue.unacked.value_or(0), queue.delayed.value_or(0));
      }
    }
    account.wrong.push_back("work is left over:" + left);
  }
}

Account Line::settle() {
  Account account;
  stop_load(account);
  std::map<TaskId, TaskState> ends;
  check_results(account, ends);
  check_ticks(account, ends);
  check_submissions(account);
  check_collector(account, ends);
  check_history(account, ends);
  return account;
}

void Line::check_results(Account& account, std::map<TaskId, TaskState>& ends) {
  const auto seen = [&] { return load_->open_before(Steady::now()) == 0; };
  std::ignore = eventually(seen, seconds{10});  // what is open then is named below
  for (std::uint64_t after = 0;;) {
    const auto read = store_->results().finished_since(after, 1000).value();
    for (const StoredTask& each : read) {
      after = std::max(after, each.sequence);
      if (!ends.emplace(each.id, each.state).second) {
        account.wrong.push_back(each.id.str() + " has two final results");
      }
    }
    if (read.empty()) break;
  }
  account.results = ends.size();
  account.asked = load_->asked();
  {
    std::ifstream file{dir_.file("touch/tokens")};
    for (std::string line; std::getline(file, line);) ++account.runs[line];
  }
  for (const Asked& each : account.asked) {
    const std::size_t before = account.lost.size();
    const auto end = ends.find(each.id);
    if (end == ends.end()) {
      account.lost.push_back(each.id.str() + " has no result");
    } else if (each.must_succeed && end->second != TaskState::Success) {
      const auto stored = store_->results().find(each.id);
      account.lost.push_back(fmt::format("{} ended as {}: {}", each.id.str(), to_text(end->second),
                                         stored ? stored->result : ""));
    } else if (!each.token.empty() && !account.runs.contains(each.token)) {
      account.lost.push_back(each.id.str() + " is said to have run and did not");
    }
    if (account.lost.size() > before) account.lost_ids.push_back(each.id);
    if (!each.took && end != ends.end()) {
      account.wrong.push_back(each.id.str() + " has a result that whoever reads along never saw");
    }
  }
}

// Every instant that was due was enqueued once or written down as missed, and what was enqueued has
// run.
void Line::check_ticks(Account& account, const std::map<TaskId, TaskState>& ends) {
  std::map<std::string, std::set<WallTime>> enqueued;
  std::map<std::string, std::uint64_t> missed;
  for (const TickRecord& tick : store_->ticks().recent(1'000'000).value()) {
    if (tick.outcome == TickOutcome::Missed) {
      missed[tick.schedule] += tick.missed;
      continue;
    }
    ++account.ticks;
    const std::string name = fmt::format("{} at {}", tick.schedule, iso8601(tick.due));
    if (!enqueued[tick.schedule].insert(tick.due).second) account.wrong.push_back(name + ", twice");
    const auto end = ends.find(tick.task);
    if (end == ends.end()) {
      account.lost.push_back(name + " has no result");
    } else if (tick.schedule == "beat" && end->second != TaskState::Success) {
      account.lost.push_back(fmt::format("{} ended as {}", name, to_text(end->second)));
    }
  }
  for (const auto& [schedule, every] : kSchedules) {
    const auto& dues = enqueued[schedule];
    if (dues.empty()) {
      account.wrong.push_back(schedule + " never fired");
      continue;
    }
    if (options_.clocks_jump) continue;
    const auto span = static_cast<std::uint64_t>((*dues.rbegin() - *dues.begin()) / every) + 1;
    if (dues.size() + missed[schedule] < span) {
      account.wrong.push_back(
          fmt::format("{}: of {} instants {} were enqueued and {} written down as missed", schedule,
                      span, dues.size(), missed[schedule]));
    }
  }
}

// Every submission that a listing showed is in the store.
void Line::check_submissions(Account& account) {
  std::optional<std::set<std::string>> listed;
  if (!eventually([&] { return (listed = ledger()).has_value(); }, seconds{30})) {
    account.wrong.emplace_back("the simulator does not show its ledger");
    return;
  }
  account.submissions = listed->size();
  for (const std::string& fullname : *listed) {
    if (store_->submissions().find(fullname)) continue;
    const auto task = store_->results().find(TaskId{named_uuid("fetch|" + fullname)});
    account.lost.push_back(fmt::format("{} was listed and is not stored; its task is {}", fullname,
                                       task ? to_text(task->state) : "unknown"));
  }
}

// Each id has a status and its details over HTTP, and the totals are the sets' sizes.
void Line::check_collector(Account& account, const std::map<TaskId, TaskState>& ends) {
  std::uint64_t succeeded = 0;
  std::uint64_t failed = 0;
  for (const auto& [id, state] : ends) {
    succeeded += state == TaskState::Success ? 1 : 0;
    failed += state == TaskState::Failure ? 1 : 0;
  }
  std::string said;
  const bool agrees = eventually(
      [&] {
        const auto overview = parsed(get(api("/api/overview")));
        if (!overview.is_object()) return false;
        const auto& totals = overview.at("totals").as_object();
        said = json::serialize(totals);
        return totals.at("succeeded") == succeeded && totals.at("failed") == failed;
      },
      seconds{40});
  if (!agrees) {
    account.wrong.push_back(fmt::format("the collector's totals are {}, the store has {} and {}",
                                        said, succeeded, failed));
  }
  std::vector<std::pair<TaskId, std::string>> all;
  for (const auto& [id, state] : ends) all.emplace_back(id, to_text(state));
  std::atomic<std::size_t> next{0};
  std::mutex mutex;
  const auto ask = [&] {
    http::Client client;
    for (std::size_t i = next++; i < all.size(); i = next++) {
      for (const auto& [path, key] :
           {std::pair{"/task/status/", "status"}, std::pair{"/api/task/info/", "state"}}) {
        http::ClientRequest request;
        request.url = api(path + all[i].first.str());
        const auto answer = client.send(request);
        const bool found = answer && answer->status == 200;
        const auto document = found ? json::parse(answer->body) : json::value{};
        if (found && document.at(key) == json::string{all[i].second}) continue;
        const std::lock_guard lock{mutex};
        account.untold.push_back(fmt::format("{}{}: {} instead of {}", path, all[i].first.str(),
                                             found    ? json::serialize(document.at(key))
                                             : answer ? std::to_string(answer->status)
                                                      : answer.error().what,
                                             all[i].second));
      }
    }
  };
  std::jthread second{ask};
  ask();
}

void Line::check_history(Account& account, const std::map<TaskId, TaskState>& ends) {
  if (!at("collector").stop()) account.wrong.emplace_back("the collector did not stop");
  const auto history = open_history(store_url_, clock_, log_).value();
  for (const auto& [id, state] : ends) {
    const auto kept = history->find(id);
    if (!kept) {
      account.untold.push_back(fmt::format("history of {}: {}", id.str(), kept.error().what));
    } else if (kept->state != state) {
      account.untold.push_back(fmt::format("history of {}: {} instead of {}", id.str(),
                                           to_text(kept->state), to_text(state)));
    }
  }
}

void Line::print_logs() const {
  for (const auto& [name, program] : programs_) std::cerr << program->end_of_log();
}

}  // namespace umbel::e2e
