#include "leases.hpp"

#include <fstream>

namespace umbel::broker_sqlite {
namespace {

std::string boot_id() {
  std::ifstream file{"/proc/sys/kernel/random/boot_id"};
  std::string id;
  std::getline(file, id);
  return id;
}

std::int64_t micros(Steady::time_point time) {
  return std::chrono::duration_cast<std::chrono::microseconds>(time.time_since_epoch()).count();
}

}  // namespace

Leases::Leases(std::chrono::milliseconds length, const Clock& clock)
    : length_{length}, clock_{clock}, boot_{boot_id()} {}

LeaseTime Leases::now() const { return {.boot = boot_, .now = micros(clock_.steady())}; }

std::int64_t Leases::end_of_new() const { return micros(clock_.steady() + length_); }

}  // namespace umbel::broker_sqlite
