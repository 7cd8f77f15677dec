#include "umbel/base/ids.hpp"

#include <boost/uuid/name_generator_sha1.hpp>
#include <boost/uuid/random_generator.hpp>
#include <boost/uuid/string_generator.hpp>
#include <boost/uuid/uuid_io.hpp>

namespace umbel {

std::string random_uuid() {
  thread_local boost::uuids::random_generator generate;
  return boost::uuids::to_string(generate());
}

std::string named_uuid(std::string_view name) {
  static const auto ours =
      boost::uuids::string_generator{}("9d3f1c7e-5b0a-5e4d-8c61-2f7a90b4e8d5");  // fixed for ever
  const boost::uuids::name_generator_sha1 generate{ours};
  return boost::uuids::to_string(generate(name.data(), name.size()));
}

}  // namespace umbel
