// Events over RabbitMQ into a real umbel-collector that writes history, at rising rates.
//
// A process of its own sends lists of 24 events, as Celery's workers do: three of each task, from
// one node that numbers them. After each step the collector gets time to catch up; what it has not
// taken in then is lost. It keeps up with a rate if at the end of the step no more than half a
// second of it is outstanding.
//
//   rabbitmq_intake_bench --collector PATH [--rates 5000,10000,…] [--seconds 10]
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <fstream>
#include <iostream>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

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
constexpr seconds kCatchUp{60};

struct Options {
  std::string collector, send;  // send: be the sender, to this URL
  std::vector<std::size_t> rates{5'000, 10'000, 20'000, 30'000, 40'000, 60'000};
  std::size_t seconds = 10, rate = 0, first = 1;
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

// Prints how many events went out, and in how many seconds.
int send(const Options& options) {
  const umbel::SystemClock clock;
  const auto broker =
      umbel::open_rabbitmq_broker({.url = umbel::parse_amqp_url(options.send).value()}, clock,
                                  umbel::Log{"sender", umbel::LogLevel::Warn});
  const auto batches = options.rate * options.seconds / kEventsPerBatch;
  auto number = options.first;
  const auto begin = Steady::now();
  for (std::size_t batch = 0; batch < batches; ++batch) {
    std::vector<umbel::Event> events;
    for (std::size_t task = 0; task < kTasksPerBatch; ++task) {
      const auto id = umbel::random_uuid();
      for (const auto type : {umbel::TaskEventType::Received, umbel::TaskEventType::Started,
                              umbel::TaskEventType::Succeeded}) {
        events.push_back(event_of(type, id, clock.wall(), number++));
      }
    }
    const auto sent = broker->publish_events(umbel::celery::encode_events(events),
                                             {.key = "task.multi", .node = "sender@bench"});
    if (!sent) throw std::runtime_error{sent.error().what};
    // As the rate wants it; what is late is made up for.
    std::this_thread::sleep_until(begin + std::chrono::microseconds{(batch + 1) * kEventsPerBatch *
                                                                    1'000'000 / options.rate});
  }
  std::cout << fmt::format("sent {} in {:.3f}\n", batches * kEventsPerBatch,
                           umbel::bench::seconds_since(begin));
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
  [[nodiscard]] double cpu() const {
    std::ifstream file{fmt::format("/proc/{}/stat", process_.pid())};
    std::string text{std::istreambuf_iterator<char>{file}, {}};
    std::istringstream rest{text.substr(text.rfind(')') + 2)};
    std::string skipped;
    for (int field = 0; field < 11; ++field) rest >> skipped;
    double user = 0, system = 0;
    rest >> user >> system;
    return (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
  }
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

int measure(const Options& options) {
  umbel::testing::RabbitServer rabbit{{.all_cores = true}};
  const auto vhost = rabbit.fresh_vhost();
  const auto url = rabbit.url(vhost);
  Collector collector{options.collector, url};
  // Its queue must be there before the first event.
  const auto follows = [&] {
    return std::ranges::any_of(rabbit.queues(vhost), [](const auto& queue) {
      return queue.name.starts_with("umbel.events.") && queue.consumers > 0;
    });
  };
  for (const auto begin = Steady::now(); !follows();) {
    if (Steady::now() - begin > seconds{30}) throw std::runtime_error{"nobody follows the events"};
    std::this_thread::sleep_for(milliseconds{50});
  }
  const auto received = [&] { return collector.figure("umbel_events_received_total"); };
  std::cout << "| events/s asked | sent/s | outstanding at the end | caught up after, s | lost | "
               "CPU per event, us |\n| --- | --- | --- | --- | --- | --- |\n";
  double kept_up = 0, without_loss = 0;
  std::size_t first = 1;
  bool lossless = true;
  for (const auto rate : options.rates) {
    const auto before = received(), cpu = collector.cpu();
    umbel::testing::TempDir dir;
    umbel::testing::Process sender{
        "sender",
        {umbel::bench::own_path(), "--send", url, "--rate", std::to_string(rate), "--seconds",
         std::to_string(options.seconds), "--first", std::to_string(first)},
        dir.file("log")};
    sender.start();
    while (sender.running()) std::this_thread::sleep_for(milliseconds{5});
    const auto at_end = received() - before;
    const auto ended = Steady::now();
    std::istringstream said{sender.log()};
    std::string word;
    double sent = 0, took = 0;
    said >> word >> sent >> word >> took;
    if (sent <= 0) throw std::runtime_error{"the sender failed\n" + sender.end_of_log()};
    first += static_cast<std::size_t>(sent);
    auto taken = at_end;
    while (taken < sent && Steady::now() - ended < kCatchUp) {
      std::this_thread::sleep_for(milliseconds{100});
      taken = received() - before;
    }
    const auto caught_up = umbel::bench::seconds_since(ended);
    const auto lost = std::max(0.0, sent - taken);
    const auto pace = sent / took;
    std::cout << fmt::format("| {} | {:.0f} | {:.0f} | {:.1f} | {:.0f} | {:.1f} |", rate, pace,
                             std::max(0.0, sent - at_end), taken < sent ? -1.0 : caught_up, lost,
                             (collector.cpu() - cpu) / sent * 1e6)
              << std::endl;
    lossless = lossless && lost == 0;
    if (lossless) without_loss = std::max(without_loss, pace);
    if (lossless && sent - at_end <= pace / 2) kept_up = std::max(kept_up, pace);
  }
  std::cout << fmt::format("without loss up to {:.0f} events/s, kept up with {:.0f} events/s\n",
                           without_loss, kept_up);
  collector.stop();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app{"events over RabbitMQ into a collector, at rising rates"};
  app.add_option("--collector", options.collector, "path of umbel-collector");
  app.add_option("--rates", options.rates, "events a second, one step each")->delimiter(',');
  app.add_option("--seconds", options.seconds, "length of a step");
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
