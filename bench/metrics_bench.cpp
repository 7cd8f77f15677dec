// How long a scrape of /metrics takes at the budget of 30,000 lines: over HTTP from a client of
// this process, and the text alone.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <string>
#include <vector>

#include "processes.hpp"
#include "umbel/http/client.hpp"
#include "umbel/metrics/catalogue.hpp"
#include "umbel/metrics/metrics.hpp"
#include "umbel/ops/ops_server.hpp"

namespace {

using Steady = std::chrono::steady_clock;

std::size_t lines_of(const std::string& text) {
  return static_cast<std::size_t>(std::ranges::count(text, '\n'));
}

// As many values for each label as the family has, all different.
std::vector<std::string> labels_of(const umbel::metrics::Family& family, std::size_t number) {
  std::vector<std::string> values;
  for (const char* const label : family.labels) {
    values.push_back("application." + std::string{label} + std::to_string(number));
  }
  return values;
}

// Histograms, until the family's bound or the program's budget folds what comes.
void fill(umbel::metrics::Metrics& metrics, std::size_t lines) {
  std::size_t number = 0;
  for (int round = 0; lines_of(metrics.text()) < lines && round < 20; ++round) {
    for (int i = 0; i < 100; ++i, ++number) {
      for (const auto* const family :
           {&umbel::metrics::kTaskRunSeconds, &umbel::metrics::kTaskWaitSeconds}) {
        metrics.histogram(*family, labels_of(*family, number)).Observe(0.01);
      }
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::size_t lines = argc > 1 ? std::stoul(argv[1]) : 29'000;
  const std::size_t runs = argc > 2 ? std::stoul(argv[2]) : 20;
  umbel::metrics::Metrics metrics{"bench"};
  fill(metrics, lines);
  umbel::http::ServerOptions options;
  options.port = 0;
  const umbel::Readiness ready;
  umbel::OpsServer server{options, metrics, ready, umbel::Log{"bench", umbel::LogLevel::Warn}};
  if (const auto started = server.start(); !started) {
    std::cerr << started.error().what << '\n';
    return 1;
  }
  umbel::http::Client client;
  std::vector<double> text_seconds, scrape_seconds;
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < runs; ++i) {
    auto begin = Steady::now();
    bytes = metrics.text().size();
    text_seconds.push_back(umbel::bench::seconds_since(begin));
    umbel::http::ClientRequest request;
    request.url = fmt::format("http://127.0.0.1:{}/metrics", server.port());
    begin = Steady::now();
    const auto answer = client.send(request);
    scrape_seconds.push_back(umbel::bench::seconds_since(begin));
    if (!answer || answer->status != 200) {
      std::cerr << "no scrape: " << (answer ? std::to_string(answer->status) : answer.error().what)
                << '\n';
      return 1;
    }
  }
  std::cout << fmt::format("{} lines, {} KB: scrape {:.1f} ms, of which the text {:.1f} ms\n",
                           lines_of(metrics.text()), bytes / 1024,
                           1e3 * umbel::bench::median(scrape_seconds),
                           1e3 * umbel::bench::median(text_seconds));
}
