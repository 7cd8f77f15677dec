// The task process of prefork_test.cpp. With an argument it is one that cannot serve:
//
//   unable    says why
//   silent    ends without a word
//   stranger  knows other tasks
#include <string_view>

#include "child_tasks.hpp"
#include "umbel/worker/prefork.hpp"

int main(int argc, char** argv) {
  auto child = umbel::ChildRole::take(argc, argv);
  if (!child) return 2;
  const std::string_view what = argc > 1 ? argv[1] : "";
  if (what == "silent") return 3;
  if (what == "unable") return child->unable(umbel::unavailable("the cellar is flooded"));
  const umbel::SystemClock clock;
  umbel::metrics::Metrics metrics{"child_peer"};
  const umbel::Log log{"child_peer", umbel::LogLevel::Info};
  umbel::TaskRegistry tasks;
  if (what != "stranger") umbel::testing::add_child_tasks(tasks);
  return child->serve(tasks, clock, metrics, log);
}
