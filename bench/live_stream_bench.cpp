// Pages on the live stream: N WebSocket clients in a process of their own against a real collector,
// over which R tasks a second come in as events.
//
//   live_stream_bench [CLIENTS=200] [TASKS_PER_SECOND=100] [SECONDS=600]
//
// Prints resident memory of the collector before and after, what each client got, and how long a
// change took from being written by the collector (its `now`) to its arrival.
#include <fmt/format.h>
#include <poll.h>
#include <sys/wait.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <iostream>
#include <thread>
#include <vector>

#include "http_client.hpp"
#include "umbel/base/ids.hpp"
#include "umbel/celery/events.hpp"
#include "umbel/collector/collector.hpp"
#include "umbel/engines/engines.hpp"
#include "umbel/testing/temp_dir.hpp"

namespace {

using namespace umbel;

struct Page {
  int descriptor = -1;
  std::string buffer;
  std::uint64_t bytes = 0, changes = 0;
  std::uint64_t last = 0;
  bool gap = false;
};

double unix_now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

double number_after(std::string_view text, std::string_view key) {
  const auto at = text.find(key);
  if (at == std::string_view::npos) return 0;
  return std::strtod(std::string{text.substr(at + key.size(), 32)}.c_str(), nullptr);
}

// Every whole frame in the buffer.
void take_frames(Page& page, std::vector<double>& delays) {
  std::size_t at = 0;
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(page.buffer[at + i]); };
  while (page.buffer.size() - at >= 10) {
    std::size_t size = byte(1) & 0x7FU, head = 2;
    if (size >= 126) {
      const std::size_t more = size == 126 ? 2 : 8;
      size = 0;
      for (std::size_t i = 0; i < more; ++i) size = size << 8U | byte(2 + i);
      head += more;
    }
    if (page.buffer.size() - at < head + size) break;
    if ((byte(0) & 0x0FU) == 9)
      bench::send_all(page.descriptor, std::string_view{"\x8a\x80\0\0\0\0", 6});
    const std::string_view text{page.buffer.data() + at + head, std::min<std::size_t>(size, 200)};
    if (text.starts_with(R"({"type":"change")")) {
      const auto sequence = static_cast<std::uint64_t>(number_after(text, R"("seq":)"));
      page.gap = page.gap || (page.last != 0 && sequence != page.last + 1);
      page.last = sequence;
      ++page.changes;
      delays.push_back((unix_now() - number_after(text, R"("now":)")) * 1000);
    }
    at += head + size;
  }
  page.buffer.erase(0, at);
}

int watch(std::uint16_t port, std::size_t count, int seconds) {
  std::vector<Page> pages(count);
  std::vector<pollfd> waits;
  for (auto& page : pages) {
    page.descriptor = bench::connect_to(port);
    bench::send_all(
        page.descriptor,
        "GET /api/live HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: "
        "Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n");
    std::string rest;
    while (rest.find("\r\n\r\n") == std::string::npos) {
      char one = 0;
      if (recv(page.descriptor, &one, 1, 0) != 1) throw std::runtime_error{"refused"};
      rest.push_back(one);
    }
    if (!rest.starts_with("HTTP/1.1 101")) throw std::runtime_error{rest};
    waits.push_back({page.descriptor, POLLIN, 0});
  }
  std::vector<double> delays;
  std::vector<char> bytes(256 * 1024);
  std::size_t cut = 0;
  const auto begin = Steady::now();
  while (Steady::now() - begin < std::chrono::seconds{seconds}) {
    poll(waits.data(), waits.size(), 100);
    for (std::size_t i = 0; i < count; ++i) {
      if (waits[i].revents == 0) continue;
      const ssize_t got = recv(pages[i].descriptor, bytes.data(), bytes.size(), MSG_DONTWAIT);
      if (got <= 0) {
        ++cut;
        waits[i].fd = -1;
        continue;
      }
      pages[i].bytes += static_cast<std::uint64_t>(got);
      pages[i].buffer.append(bytes.data(), static_cast<std::size_t>(got));
      take_frames(pages[i], delays);
    }
  }
  std::uint64_t total = 0, changes = 0, gaps = 0;
  for (const auto& page : pages) {
    total += page.bytes;
    changes += page.changes;
    gaps += page.gap ? 1 : 0;
  }
  std::sort(delays.begin(), delays.end());
  const auto at = [&](double share) {
    return delays.empty()
               ? 0
               : delays[std::min(
                     delays.size() - 1,
                     static_cast<std::size_t>(share * static_cast<double>(delays.size())))];
  };
  std::cout << fmt::format(
      "{} clients: {:.1f} changes/s each, {:.0f} kB/s together, delivered p50 {:.1f} ms, p99 "
      "{:.1f} "
      "ms; {} cut off, {} with a gap\n",
      count, static_cast<double>(changes) / static_cast<double>(count) / seconds,
      static_cast<double>(total) / 1000 / seconds, at(0.5), at(0.99), cut, gaps);
  return cut == 0 && gaps == 0 ? 0 : 1;
}

Event task_event(TaskEventType type, const std::string& id, WallTime at) {
  TaskEvent event;
  event.type = type;
  event.uuid = TaskId{id};
  event.origin.hostname = "w1@bench";
  event.origin.timestamp = at;
  event.name = "bench.task";
  event.args = "(1, 2)";
  return event;
}

}  // namespace

int main(int argc, char** argv) {
  const std::size_t clients = argc > 1 ? std::stoul(argv[1]) : 200;
  const int rate = argc > 2 ? std::stoi(argv[2]) : 100;
  const int seconds = argc > 3 ? std::stoi(argv[3]) : 600;
  int told[2];
  if (pipe(told) != 0) return 1;
  const pid_t child = fork();
  if (child == 0) {
    std::uint16_t port = 0;
    if (read(told[0], &port, sizeof port) != sizeof port) _exit(1);
    int status = 1;
    try {
      status = watch(port, clients, seconds);
    } catch (const std::exception& failed) {
      std::cerr << failed.what() << "\n";
    }
    std::cout.flush();
    _exit(status);
  }

  const testing::TempDir dir;
  const SystemClock clock;
  const Log log{"bench", LogLevel::Warn};
  const std::string store_url = "sqlite:" + dir.file("store.db");
  const auto broker = open_broker("sqlite:" + dir.file("broker.db"), clock, log).value();
  const auto store = open_store(store_url, clock, log).value();
  const auto history = open_history(store_url, clock, log).value();
  metrics::Metrics metrics{"collector"};
  Enqueuer enqueuer{*store, *broker, clock, log, "gen1@bench"};
  collector::CollectorOptions options;
  options.port = 0;
  options.max_connections = clients + 16;
  options.max_tasks = 2000;  // full soon, so that what grows is not the tasks
  collector::Collector collector{options, *broker, *store, *history, enqueuer, clock, metrics, log};
  if (const auto started = collector.start(); !started)
    throw std::runtime_error{started.error().what};

  const auto begin = Steady::now();
  std::atomic<bool> stop{false};
  std::jthread feeder{[&] {
    for (std::uint64_t tick = 1; !stop; ++tick) {
      std::vector<Event> events;
      for (int i = 0; i < std::max(1, rate / 10); ++i) {
        const std::string id = random_uuid();
        const auto now = clock.wall();
        events.push_back(task_event(TaskEventType::Received, id, now));
        events.push_back(task_event(TaskEventType::Started, id, now));
        events.push_back(task_event(TaskEventType::Succeeded, id, now));
      }
      broker->publish_events(celery::encode_events(events), {}).value();
      std::this_thread::sleep_until(begin + tick * std::chrono::milliseconds{100});
    }
  }};
  const std::uint64_t alone = bench::resident_bytes();
  const std::uint16_t port = collector.port();
  if (write(told[1], &port, sizeof port) != sizeof port) return 1;
  std::this_thread::sleep_for(std::chrono::seconds{std::min(60, seconds / 3 + 1)});
  const std::uint64_t early = bench::resident_bytes();
  int status = 0;
  std::uint64_t late = early;
  while (waitpid(child, &status, WNOHANG) == 0) {
    late = bench::resident_bytes();
    std::this_thread::sleep_for(std::chrono::milliseconds{200});
  }
  stop = true;
  feeder.join();
  collector.stop();
  const auto mega = [](std::uint64_t bytes) { return static_cast<double>(bytes) / 1e6; };
  std::cout << fmt::format(
      "collector, resident: {:.1f} MB without clients, {:.1f} MB after {} s, {:.1f} MB after {} "
      "s\n",
      mega(alone), mega(early), std::min(60, seconds / 3 + 1), mega(late), seconds);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
