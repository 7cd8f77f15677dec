#include "delayed_route.hpp"

#include <fmt/format.h>

namespace umbel::broker_rabbitmq {
namespace {

std::string words_before(int level) {
  std::string key;
  for (int i = kDelayLevels - 1; i > level; --i) key += "*.";
  return key;
}

}  // namespace

std::string delay_level_name(int level) { return fmt::format("celery_delayed_{}", level); }

std::string delayed_key(std::chrono::seconds delay, std::string_view queue) {
  const auto seconds = static_cast<std::uint64_t>(delay.count());
  std::string key;
  for (int level = kDelayLevels - 1; level >= 0; --level) {
    key += ((seconds >> static_cast<unsigned>(level)) & 1U) != 0 ? "1." : "0.";
  }
  key += queue;
  return key;
}

std::string waits_key(int level) { return words_before(level) + "1.#"; }
std::string passes_key(int level) { return words_before(level) + "0.#"; }
std::string arrives_key(std::string_view queue) { return words_before(-1) + std::string{queue}; }

}  // namespace umbel::broker_rabbitmq
