// Events over RabbitMQ into a real umbel-collector that writes history, at rising rates.
//
// A process of its own sends lists of 24 events, as Celery's workers do: three of each task, from
// one node that numbers them. After each step the collector gets time to catch up; what it has not
// taken in then is lost, and stands beside what the collector itself says that it missed. It keeps
// up with a rate if at the end of the step no more than half a second of it is outstanding. The
// last step is a flood, as fast as the sender can, which goes on until its queue in the server
// overflows or `flood` seconds have passed.
//
//   rabbitmq_intake_bench --collector PATH [--rates 10000,20000,…] [--seconds 10] [--flood 90]
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <fstream>
#include <iostream>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "process_cpu.hpp"
#include "processes.hpp"
#include "umbel/base/ids.hpp"
#include "umbel/broker_rabbitmq/rabbitmq_broker.hpp"
#include "umbel/celery/events.hpp"
#include "umbel/http/client.hpp"
#include "umbel/testing/free_port.hpp"
#include "umbel/testing/process.hpp"
#include "umbel/testing/rabbit_server.hpp"
#include "umbel/testing/temp_dir.hpp"

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using umbel::Steady;

constexpr std::size_t kTasksPerBatch = 8, kEventsPerTask = 3;
constexpr std::size_t kEventsPerBatch = kTasksPerBatch * kEventsPerTask;
constexpr seconds kCatchUp{300};
constexpr seconds kStandstill{15};  // of what is taken in: nothing more comes

struct Options {
  std::string collector, send;  // send: be the sender, to this URL
  std::vector<std::size_t> rates{10'000, 20'000, 30'000, 40'000, 60'000, 80'000};
  std::size_t seconds = 10, flood = 90, first = 1;
  std::size_t rate = 0;  // of the sender; 0: as fast as it can
};

umbel::Event event_of(umbel::TaskEventType type, const std::string& id, umbel::WallTime now,
                      std::uint64_t number) {
  umbel::TaskEvent event;
  event.type = type;
  event.uuid = umbel::TaskId{id};
  event.origin.hostname = "sender@bench";
  event.origin.timestamp = now;
  event.origin.pid = getpid();
  event.origin.sequence = number;
  event.origin.clock = static_cast<std::int64_t>(number);
  if (type == umbel::TaskEventType::Received) {
    event.name = "demo.add";
    event.args = "(2, 3)";
    event.kwargs = "{}";
    event.retries = 0;
    event.queue = "celery";
  }
  if (type == umbel::TaskEventType::Succeeded) {
    event.result = "5";
    event.runtime = 0.001;
  }
  return event;
}

// Until SIGTERM at the latest. Prints how many events went out, and in how many seconds.
int send(const Options& options) {
  static std::atomic<bool> stop = false;  // a signal's handler can reach nothing else
  std::signal(SIGTERM, [](int) { stop = true; });
  const umbel::SystemClock clock;
  const auto broker =
      umbel::open_rabbitmq_broker({.url = umbel::parse_amqp_url(options.send).value()}, clock,
                                  umbel::Log{"sender", umbel::LogLevel::Warn});
  auto number = options.first;
  std::size_t sent = 0;
  const auto begin = Steady::now(), end = begin + seconds{options.seconds};
  while (!stop && Steady::now() < end) {
    std::vector<umbel::Event> events;
    for (std::size_t task = 0; task < kTasksPerBatch; ++task) {
      const auto id = umbel::random_uuid();
      for (const auto type : {umbel::TaskEventType::Received, umbel::TaskEventType::Started,
                              umbel::TaskEventType::Succeeded}) {
        events.push_back(event_of(type, id, clock.wall(), number++));
      }
    }
    const auto done = broker->publish_events(umbel::celery::encode_events(events),
                                             {.key = "task.multi", .node = "sender@bench"});
    if (!done) throw std::runtime_error{done.error().what};
    sent += kEventsPerBatch;
    // As the rate wants it; what is late is made up for.
    if (options.rate == 0) continue;
    std::this_thread::sleep_until(begin +
                                  std::chrono::microseconds{sent * 1'000'000 / options.rate});
  }
  std::cout << fmt::format("sent {} in {:.3f}\n", sent, umbel::bench::seconds_since(begin));
  return 0;
}

class Collector {
 public:
  Collector(const std::string& program, const std::string& broker)
      : process_{"collector",
                 {program, "--broker=" + broker, "--store=sqlite:" + dir_.file("store.db"),
                  fmt::format("--port={}", port_), "--log-level=warn"},
                 dir_.file("collector.log")} {
    process_.start();
    const auto begin = Steady::now();
    while (!metrics()) {
      if (Steady::now() - begin > seconds{60} || !process_.running()) {
        throw std::runtime_error{"the collector does not come up\n" + process_.end_of_log()};
      }
      std::this_thread::sleep_for(milliseconds{50});
    }
  }

  // The sum over all labels of a family.
  [[nodiscard]] double figure(const std::string& family) {
    std::istringstream text{metrics().value_or("")};
    double sum = 0;
    for (std::string line; std::getline(text, line);) {
      if (line.starts_with(family + "{") || line.starts_with(family + " ")) {
        sum += std::stod(line.substr(line.rfind(' ') + 1));
      }
    }
    return sum;
  }
  [[nodiscard]] double cpu() const { return umbel::bench::cpu_of(process_.pid()); }
  void stop() { static_cast<void>(process_.stop()); }

 private:
  [[nodiscard]] std::optional<std::string> metrics() {
    umbel::http::ClientRequest request;
    request.url = fmt::format("http://127.0.0.1:{}/metrics", port_);
    request.timeout = seconds{5};
    auto answer = client_.send(request);
    if (!answer || answer->status != 200) return std::nullopt;
    return std::move(answer->body);
  }

  const umbel::testing::TempDir dir_;
  const std::uint16_t port_ = umbel::testing::free_port();
  umbel::testing::Process process_;
  umbel::http::Client client_;
};

struct Step {
  double sent = 0, took = 0;       // events, seconds
  double outstanding = 0;          // when the last one was sent
  double caught_up = 0, lost = 0;  // seconds after that; events
  double missed = 0;               // events, as the collector says
  double at_bound = 0;             // times it said that the stream had stood at its bound
  double cpu = 0;                  // the collector's, seconds for an event
  [[nodiscard]] double pace() const { return sent / took; }
};

class Bench {
 public:
  explicit Bench(const Options& options)
      : url_{rabbit_.url(vhost_)}, collector_{options.collector, url_} {
    // Its queue must be there before the first event.
    for (const auto begin = Steady::now(); !queue();) {
      if (Steady::now() - begin > seconds{30})
        throw std::runtime_error{"nobody follows the events"};
      std::this_thread::sleep_for(milliseconds{50});
    }
  }
  ~Bench() { collector_.stop(); }

  // `rate` 0: as fast as it goes, until something must be lost.
  Step step(std::size_t rate, std::size_t length) {
    const auto before = received(), missed = told(), at_bound = full(), cpu = collector_.cpu();
    const umbel::testing::TempDir dir;
    umbel::testing::Process sender{
        "sender",
        {umbel::bench::own_path(), "--send", url_, "--rate", std::to_string(rate), "--seconds",
         std::to_string(length), "--first", std::to_string(first_)},
        dir.file("log")};
    sender.start();
    bool told_to_stop = false;
    while (sender.running()) {
      std::this_thread::sleep_for(milliseconds{rate == 0 ? 500 : 5});
      if (rate == 0 && !told_to_stop && overflows()) {
        sender.signal(SIGTERM);
        told_to_stop = true;
      }
    }
    Step step;
    const auto at_end = received() - before;
    const auto ended = Steady::now();
    std::istringstream said{sender.log()};
    std::string word;
    said >> word >> step.sent >> word >> step.took;
    if (step.sent <= 0) throw std::runtime_error{"the sender failed\n" + sender.end_of_log()};
    first_ += static_cast<std::size_t>(step.sent);
    step.outstanding = std::max(0.0, step.sent - at_end);
    auto taken = at_end;
    for (auto moved = ended; taken < step.sent && Steady::now() - ended < kCatchUp &&
                             Steady::now() - moved < kStandstill;) {
      std::this_thread::sleep_for(milliseconds{100});
      const auto now = received() - before;
      if (now > taken) {
        moved = Steady::now();
        step.caught_up = umbel::bench::seconds_since(ended);
      }
      taken = now;
    }
    step.lost = std::max(0.0, step.sent - taken);
    step.missed = told() - missed;
    step.at_bound = full() - at_bound;
    step.cpu = (collector_.cpu() - cpu) / std::max(1.0, taken);
    return step;
  }

 private:
  [[nodiscard]] double received() { return collector_.figure("umbel_events_received_total"); }
  [[nodiscard]] double told() { return collector_.figure("umbel_events_gap_total"); }
  [[nodiscard]] double full() { return collector_.figure("umbel_event_stream_full_total"); }
  [[nodiscard]] std::optional<umbel::testing::RabbitQueue> queue() {
    for (auto& queue : rabbit_.queues(vhost_)) {
      if (queue.name.starts_with("umbel.events.") && queue.consumers > 0) return std::move(queue);
    }
    return std::nullopt;
  }
  // What is ready does not grow any more though the sender goes on: its oldest go.
  [[nodiscard]] bool overflows() {
    const auto there = queue();
    const auto ready = there ? there->ready : 0;
    const bool full = ready > 1'000 && ready <= most_ready_;
    stood_ = full ? stood_ + 1 : 0;
    most_ready_ = std::max(most_ready_, ready);
    return stood_ >= 6;
  }

  umbel::testing::RabbitServer rabbit_{{.all_cores = true}};
  const std::string vhost_ = rabbit_.fresh_vhost(), url_;
  Collector collector_;
  std::size_t first_ = 1;
  std::uint64_t most_ready_ = 0;
  int stood_ = 0;
};

int measure(const Options& options) {
  Bench bench{options};
  std::cout
      << "| events/s asked | sent/s | seconds | outstanding at the end | caught up after, s | "
         "lost | missed, says the collector | stood at its bound, it says | CPU per event, us |\n"
         "| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n";
  double kept_up = 0, without_loss = 0;
  bool lossless = true;
  const auto show = [&](const std::string& asked, const Step& step) {
    std::cout
        << fmt::format(
               "| {} | {:.0f} | {:.0f} | {:.0f} | {:.1f} | {:.0f} | {:.0f} | {:.0f} | {:.1f} |",
               asked, step.pace(), step.took, step.outstanding, step.caught_up, step.lost,
               step.missed, step.at_bound, step.cpu * 1e6)
        << std::endl;
    lossless = lossless && step.lost == 0;
    if (lossless) without_loss = std::max(without_loss, step.pace());
    if (lossless && step.outstanding <= step.pace() / 2) kept_up = std::max(kept_up, step.pace());
  };
  for (const auto rate : options.rates)
    show(std::to_string(rate), bench.step(rate, options.seconds));
  const auto steady = without_loss;
  if (options.flood > 0) {
    const auto flood = bench.step(0, options.flood);
    show("all it can", flood);
    std::cout << fmt::format("flood of {:.0f} events/s: {} after {:.0f} s, {:.1f} % of all\n",
                             flood.pace(), flood.lost > 0 ? "lost some" : "nothing lost",
                             flood.took, 100 * flood.lost / flood.sent);
  }
  std::cout << fmt::format("without loss up to {:.0f} events/s, kept up with {:.0f} events/s\n",
                           steady, kept_up);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app{"events over RabbitMQ into a collector, at rising rates"};
  app.add_option("--collector", options.collector, "path of umbel-collector");
  app.add_option("--rates", options.rates, "events a second, one step each")->delimiter(',');
  app.add_option("--seconds", options.seconds, "length of a step");
  app.add_option("--flood", options.flood, "most seconds of the flood at the end; 0: none");
  app.add_option("--send", options.send, "be the sender, to this URL");
  app.add_option("--rate", options.rate, "the sender's events a second");
  app.add_option("--first", options.first, "the sender's first number");
  CLI11_PARSE(app, argc, argv);
  try {
    return options.send.empty() ? measure(options) : send(options);
  } catch (const std::exception& failure) {
    std::cerr << "rabbitmq_intake_bench: " << failure.what() << '\n';
    return 1;
  }
}
