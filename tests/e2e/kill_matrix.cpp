#include "kill_matrix.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <set>
#include <thread>

#include "umbel/testing/eventually.hpp"

namespace umbel::e2e {
namespace {

using std::chrono::milliseconds;
using umbel::testing::eventually;

unsigned kills_of_each() {
  const bool long_form = std::getenv("UMBEL_LONG_TESTS") != nullptr;
  return static_cast<unsigned>(from_environment("UMBEL_KILLS", long_form ? 50 : 2));
}

milliseconds since_then(Steady::time_point since) {
  return std::chrono::duration_cast<milliseconds>(Steady::now() - since);
}

// From the account to the rows: what was asked for while a thing was being killed (phase: the row's
// place, from 1) is its own.
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

}  // namespace

milliseconds KillRow::recovery(double quantile) {
  if (recoveries.empty()) return {};
  std::sort(recoveries.begin(), recoveries.end());
  const auto last = static_cast<double>(recoveries.size() - 1);
  return recoveries[static_cast<std::size_t>(last * quantile + 0.5)];
}

KillMatrix::KillMatrix()
    : kills_{kills_of_each()},
      seed_{static_cast<unsigned>(from_environment("UMBEL_SEED", std::random_device{}()))} {}

void KillMatrix::TearDown() {
  if (HasFailure() && line_) line_->print_logs();
}

void KillMatrix::start(LineOptions options) {
  std::cout << "UMBEL_SEED=" << seed_ << " UMBEL_KILLS=" << kills_ << std::endl;
  options.tasks_per_second = from_environment("UMBEL_TASKS_PER_SECOND", options.tasks_per_second);
  line_ = std::make_unique<Line>(std::move(options));
  line_->start();
}

void KillMatrix::attack(const std::string& name) {
  line_->at(name).kill();
  any_time(150);
  line_->at(name).start();
}

int KillMatrix::between(int least, int most) {
  return std::uniform_int_distribution{least, most}(random_);
}

void KillMatrix::any_time(int most_milliseconds) {
  // The instant of the kill is what is random here; nothing is waited for.
  std::this_thread::sleep_for(milliseconds{between(0, most_milliseconds)});
}

std::vector<KillRow> KillMatrix::kill_all(const Victims& victims,
                                          const std::vector<std::string>& names) {
  std::vector<KillRow> rows;
  for (const auto& [name, those] : victims) {
    rows.emplace_back().victim = name;
    line_->load().set_phase(rows.size());
    one_by_one(those, rows.back());
  }
  rows.emplace_back().victim = "any";
  line_->load().set_phase(rows.size());
  all_at_once(names, rows.back());
  return rows;
}

// One thing again and again, each time until it works again; now and then a second time while it
// still comes up.
void KillMatrix::one_by_one(const std::vector<std::string>& victims, KillRow& row) {
  while (row.kills < kills_) {
    const std::string& name = victims[row.kills % victims.size()];
    any_time(700);
    auto since = Steady::now();
    auto wall = clock_.wall();
    attack(name);
    ++row.kills;
    if (between(0, 3) == 0 && row.kills < kills_) {
      any_time(300);
      since = Steady::now();
      wall = clock_.wall();
      attack(name);
      ++row.kills;
    }
    if (!eventually(line_->works_again(name, since, wall), kMost)) {
      ADD_FAILURE() << "after " << name << " nothing works again, kill " << row.kills;
      return;
    }
    row.recoveries.push_back(since_then(since));
  }
}

void KillMatrix::all_at_once(const std::vector<std::string>& names, KillRow& row) {
  auto since = Steady::now();
  auto wall = clock_.wall();
  while (row.kills < kills_) {
    any_time(700);
    since = Steady::now();
    wall = clock_.wall();
    attack(names[static_cast<std::size_t>(between(0, static_cast<int>(names.size()) - 1))]);
    ++row.kills;
  }
  for (const std::string& name : names) {
    EXPECT_TRUE(eventually(line_->works_again(name, since, wall), kMost)) << name;
  }
  row.recoveries.push_back(since_then(since));
}

void KillMatrix::conclude(std::vector<KillRow>& rows, std::chrono::seconds most) {
  const Account account = line_->settle();
  assign(account, rows);
  print(rows);
  std::cout << account;
  EXPECT_TRUE(account.clean());
  EXPECT_GT(account.submissions, 50U);
  EXPECT_GT(account.ticks, 10U);
  if (kills_ < 50) return;
  for (KillRow& row : rows) EXPECT_LE(row.recovery(1), most) << row.victim;
}

}  // namespace umbel::e2e
