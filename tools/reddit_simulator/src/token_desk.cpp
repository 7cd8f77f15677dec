#include "token_desk.hpp"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <vector>

#include "umbel/base/ids.hpp"

namespace umbel::reddit_simulator {

// A tenth goes at a time, so that a flood costs little for each of its tokens.
void TokenDesk::make_room(Holders& holders, WallTime now) {
  if (holders.size() < kMostHolders) return;
  std::erase_if(holders, [now](const auto& entry) { return entry.second.ends <= now; });
  if (holders.size() < kMostHolders) return;
  std::vector<WallTime> ends;
  for (const auto& [name, holder] : holders) ends.push_back(holder.ends);
  const auto tenth = ends.begin() + static_cast<std::ptrdiff_t>(kMostHolders / 10);
  std::nth_element(ends.begin(), tenth, ends.end());
  std::erase_if(holders, [&](const auto& entry) { return entry.second.ends < *tenth; });
  for (auto at = holders.begin(); holders.size() > kMostHolders - kMostHolders / 10;) {
    at = at->second.ends == *tenth ? holders.erase(at) : std::next(at);
  }
}

std::string TokenDesk::issue(WallTime now) {
  make_room(holders_, now);
  std::string token = "simulated-" + random_uuid();
  holders_[token] = Holder{now + options_.ttl, now, 0};
  return token;
}

void TokenDesk::revoke(const std::string& token) { holders_.erase(token); }

Admission TokenDesk::admit(const std::string& token, WallTime now) {
  const auto found = holders_.find(token);
  if (found == holders_.end() || found->second.ends <= now) return {};
  return admit(found->second, options_.limit, now);
}

Admission TokenDesk::admit_guest(const std::string& address, WallTime now) {
  if (!guests_.contains(address)) {
    make_room(guests_, now);
    guests_[address] = Holder{now, now, 0};
  }
  Holder& guest = guests_[address];
  const Admission admission = admit(guest, options_.public_limit, now);
  guest.ends = guest.window + options_.window;
  return admission;
}

Admission TokenDesk::admit(Holder& holder, std::int64_t limit, WallTime now) const {
  if (now - holder.window >= options_.window || now < holder.window) {
    holder.window = now;
    holder.used = 0;
  }
  Admission admission;
  const auto left = holder.window + options_.window - now;
  admission.reset =
      std::max(std::chrono::ceil<std::chrono::seconds>(left), std::chrono::seconds{1});
  if (holder.used >= limit) {
    admission.answer = Admission::Answer::Limited;
  } else {
    admission.answer = Admission::Answer::Admitted;
    ++holder.used;
  }
  admission.used = holder.used;
  admission.remaining = limit - holder.used;
  return admission;
}

}  // namespace umbel::reddit_simulator
