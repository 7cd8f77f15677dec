// A program's settings. Input: a line for the command line (words between spaces), one for the
// environment (NAME=value between spaces), then umbel.yaml.
#include <map>
#include <vector>

#include "fuzz_one.hpp"
#include "umbel/runtime/settings.hpp"

namespace umbel::fuzz {
namespace {

struct Values {
  CommonSettings common;
  std::string hostname = "host";
  std::int64_t concurrency = 2;
  double rate = 0.5;
  bool events = true;
  std::vector<std::string> queues{"umbel"};
  std::string pool = "threads";
  std::vector<std::string> words;
};

std::vector<std::string> words_of(std::string_view line) {
  std::vector<std::string> words;
  while (!line.empty()) {
    const auto end = line.find(' ');
    words.emplace_back(line.substr(0, end));
    line = end == std::string_view::npos ? std::string_view{} : line.substr(end + 1);
  }
  return words;
}

Result<void> load(Values& values, const std::vector<std::string>& arguments,
                  const std::map<std::string, std::string>& environment,
                  const std::optional<std::string>& yaml) {
  Settings settings{"umbel-worker", "fuzzed"};
  settings.add_common(values.common);
  settings.add({"hostname", "name", "NAME", {"HOST"}}, values.hostname);
  settings.add({"concurrency", "threads", "N", {}}, values.concurrency, {.least = 1, .most = 512});
  settings.add({"rate", "a rate", "N", {}}, values.rate);
  settings.add({"events", "send events", "", {}}, values.events);
  settings.add({"queues", "queues", "A,B", {}}, values.queues);
  settings.add_choice({"pool", "pool", "KIND", {}}, values.pool, {"threads", "prefork"});
  settings.positional("WORDS", "words", values.words);
  return settings.load_from(
      arguments,
      [&](const std::string& name) -> std::optional<std::string> {
        const auto found = environment.find(name);
        return found == environment.end() ? std::nullopt : std::optional{found->second};
      },
      yaml);
}

std::vector<std::string> as_arguments(const Values& values) {
  std::string queues;
  for (const auto& queue : values.queues) queues += (queues.empty() ? "" : ",") + queue;
  return {"--hostname=" + values.hostname,
          "--concurrency=" + std::to_string(values.concurrency),
          values.events ? "--events" : "--no-events",
          "--queues=" + queues,
          "--pool=" + values.pool,
          "--broker=" + values.common.broker,
          "--store=" + values.common.store};
}

// Of what cannot be told from an option once it stands on a command line, nothing is asked.
bool fits_an_argument(const std::string& value) { return !value.empty(); }

}  // namespace

void fuzz_one(std::span<const std::uint8_t> input) {
  const std::string text = text_of(input, 4096);
  std::string_view rest = text;
  const auto arguments = words_of(take_line(rest));
  std::map<std::string, std::string> environment;
  for (const auto& word : words_of(take_line(rest))) {
    const auto equals = word.find('=');
    if (equals != std::string::npos) environment[word.substr(0, equals)] = word.substr(equals + 1);
  }
  Values values;
  const auto loaded = load(values, arguments, environment, std::string{rest});
  if (!loaded) {
    require(loaded.error().code == Errc::Invalid && !loaded.error().what.empty(),
            "a refusal says why");
    return;
  }
  require(values.concurrency >= 1 && values.concurrency <= 512, "a number is in its range");
  require(values.pool == "threads" || values.pool == "prefork", "a choice is one of those");
  for (const auto& queue : values.queues) {
    require(!queue.empty() && queue.find(',') == std::string::npos, "a list has no empty parts");
  }
  const bool plain = fits_an_argument(values.hostname) && fits_an_argument(values.common.broker) &&
                     fits_an_argument(values.common.store) && !values.queues.empty();
  if (!plain) return;
  Values again;
  const auto same = load(again, as_arguments(values), {}, std::nullopt);
  require(same.has_value(), "what was read can be given again", same ? "" : same.error().what);
  require(again.hostname == values.hostname && again.concurrency == values.concurrency &&
              again.events == values.events && again.queues == values.queues &&
              again.pool == values.pool && again.common.broker == values.common.broker &&
              again.common.store == values.common.store,
          "what was read means the same given again");
}

}  // namespace umbel::fuzz
