#include "kill_rows.hpp"

#include <algorithm>
#include <cstdio>
#include <set>

namespace umbel::e2e {

std::chrono::milliseconds KillRow::recovery(double quantile) {
  if (recoveries.empty()) return {};
  std::sort(recoveries.begin(), recoveries.end());
  const auto last = static_cast<double>(recoveries.size() - 1);
  return recoveries[static_cast<std::size_t>(last * quantile + 0.5)];
}

void assign(const Account& account, std::vector<KillRow>& rows) {
  const std::set<TaskId> lost{account.lost_ids.begin(), account.lost_ids.end()};
  for (const Asked& each : account.asked) {
    if (each.phase == 0) continue;
    KillRow& row = rows.at(each.phase - 1);
    ++row.asked;
    if (lost.contains(each.id)) ++row.lost;
    if (each.took && *each.took > kPromised) ++row.late;
    const auto runs = account.runs.find(each.token);
    if (runs != account.runs.end() && runs->second > 1) ++row.twice;
  }
}

void print(std::vector<KillRow>& rows) {
  std::printf("%-12s %6s %9s %6s %10s %6s  %s\n", "killed", "kills", "tasks", "lost", "run twice",
              "late", "recovery median / p99 / max, ms");
  for (KillRow& row : rows) {
    std::printf("%-12s %6u %9zu %6zu %10zu %6zu  %lld / %lld / %lld\n", row.victim.c_str(),
                row.kills, row.asked, row.lost, row.twice, row.late,
                static_cast<long long>(row.recovery(0.5).count()),
                static_cast<long long>(row.recovery(0.99).count()),
                static_cast<long long>(row.recovery(1).count()));
  }
  std::fflush(stdout);
}

}  // namespace umbel::e2e
