package edge

import (
	"context"
	"net/http"
	"strings"
)

// askTLS tells a proxy in front, Caddy's on_demand_tls, whether it should get a
// certificate for a name. Anybody may ask: visiting the name tells as much.
func (a *API) askTLS(_ context.Context, r *apiRequest) Reply {
	name := r.Query.Get("domain")
	if a.names == nil || strings.Contains(name, "_") || !a.names.known(name) { // no authority certifies an underscore
		return refuse(http.StatusNotFound, "nobody here is called that")
	}
	return answerJSON(http.StatusOK, StatusJSON{Status: "ok"})
}
