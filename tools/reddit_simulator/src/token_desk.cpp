#include "token_desk.hpp"

#include <algorithm>

#include "umbel/base/ids.hpp"

namespace umbel::reddit_simulator {

std::string TokenDesk::issue(WallTime now) {
  std::erase_if(holders_, [now](const auto& entry) { return entry.second.ends <= now; });
  std::string token = "simulated-" + random_uuid();
  holders_[token] = Holder{now + ttl_, now, 0};
  return token;
}

Admission TokenDesk::admit(const std::string& token, WallTime now) {
  const auto found = holders_.find(token);
  if (found == holders_.end() || found->second.ends <= now) return {};
  Holder& holder = found->second;
  if (now - holder.window >= kWindow || now < holder.window) {
    holder.window = now;
    holder.used = 0;
  }
  Admission admission;
  const auto left = holder.window + kWindow - now;
  admission.reset =
      std::max(std::chrono::ceil<std::chrono::seconds>(left), std::chrono::seconds{1});
  if (holder.used >= limit_) {
    admission.answer = Admission::Answer::Limited;
  } else {
    admission.answer = Admission::Answer::Admitted;
    ++holder.used;
  }
  admission.used = holder.used;
  admission.remaining = limit_ - holder.used;
  return admission;
}

}  // namespace umbel::reddit_simulator
