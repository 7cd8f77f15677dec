#include "umbel/cli/forget.hpp"

#include <ostream>

namespace umbel {

int run_forget(Broker& broker, const std::string& name, std::ostream& out, std::ostream& err) {
  const auto gone = broker.forget_subscriber(name);
  if (gone) {
    out << "Nothing is kept for `" << name << "` any more; " << *gone
        << (*gone == 1 ? " batch" : " batches") << " of events went unread.\n";
    return 0;
  }
  if (gone.error().code == Errc::NotFound) {
    out << "Nothing was kept for `" << name << "`.\n";
    return 0;
  }
  err << "umbel: " << gone.error().what << '\n';
  if (gone.error().code == Errc::Conflict) {
    err << "`" << name << "` still reads events; stop that collector first.\n";
  }
  return 1;
}

}  // namespace umbel
