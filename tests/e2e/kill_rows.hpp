// What came of killing: one row for each thing that was killed.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

#include "line.hpp"

namespace umbel::e2e {

inline constexpr std::chrono::seconds kPromised{10};  // until work goes on after a kill

struct KillRow {
  std::string victim;
  unsigned kills = 0;
  std::size_t asked = 0, lost = 0, twice = 0, late = 0;
  std::vector<std::chrono::milliseconds> recoveries;

  [[nodiscard]] std::chrono::milliseconds recovery(double quantile);
};

// From the account to the rows: what was asked for while a program was being killed (phase: the
// row's place, from 1) is its own.
void assign(const Account& account, std::vector<KillRow>& rows);
void print(std::vector<KillRow>& rows);

}  // namespace umbel::e2e
