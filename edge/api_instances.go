package edge

import (
	"context"
	"net/http"
	"strconv"

	"tenement/actors"
	"tenement/conf"
)

// StatusJSON answers GET /health.
type StatusJSON struct {
	Status string `json:"status"`
}

func (a *API) alive(context.Context, *apiRequest) Reply {
	return answerJSON(http.StatusOK, StatusJSON{"ok"})
}

func (a *API) list(ctx context.Context, r *apiRequest) Reply {
	all, err := boolParam(r, "all")
	if err != nil {
		return *err
	}
	infos := []actors.Info{}
	for _, info := range a.host.List() {
		if r.who.may(info.Name) && (all || info.Awake()) {
			infos = append(infos, info)
		}
	}
	used := a.storage.measure(ctx, infos)
	list := make([]InstanceJSON, len(infos))
	for i, info := range infos {
		list[i] = instanceJSON(info, used[i])
	}
	return answerJSON(http.StatusOK, list)
}

// boolParam reads a query parameter that is true or false; without one, false.
func boolParam(r *apiRequest, name string) (bool, *Reply) {
	text := r.Query.Get(name)
	if text == "" {
		return false, nil
	}
	v, err := strconv.ParseBool(text)
	if err != nil {
		return false, refusep(http.StatusBadRequest, "%s=%s: true or false is expected", name, clipText(text))
	}
	return v, nil
}

func (a *API) spawn(ctx context.Context, r *apiRequest) Reply {
	var body NameRequest
	if refused := decodeBody(r, &body); refused != nil {
		return *refused
	}
	name, refused := a.named(r, body.Process, body.ID)
	if refused != nil {
		return *refused
	}
	info, err := a.host.Spawn(ctx, name)
	if err != nil {
		return a.failed("cannot spawn "+name.String(), err)
	}
	return startedReply(info)
}

// named checks the tenant that a body names in two parts.
func (a *API) named(r *apiRequest, service, id string) (conf.Instance, *Reply) {
	name, refused := instanceOf(service, "id", id)
	if refused != nil {
		return name, refused
	}
	return name, forbidden(r.who, name)
}

func startedReply(i actors.Info) Reply {
	return answerJSON(http.StatusOK, StartedJSON{Instance: i.Name.String(), Socket: i.Socket, Port: i.Port, Listen: i.Listen})
}

func (a *API) register(ctx context.Context, r *apiRequest) Reply {
	var body RegisterRequest
	if refused := decodeBody(r, &body); refused != nil {
		return *refused
	}
	answer := RegisteredJSON{}
	names := make([]conf.Instance, 0, len(body.Instances)+1)
	for _, text := range body.Instances {
		name, err := conf.ParseInstance(text)
		if err != nil {
			return refuse(http.StatusBadRequest, `field "instances": %v`, err)
		}
		names, answer.Instances = append(names, name), append(answer.Instances, name.String())
	}
	if len(names) == 0 || body.Process != "" || body.ID != "" {
		name, refused := a.named(r, body.Process, body.ID)
		if refused != nil {
			return *refused
		}
		names, answer.Instance = append(names, name), name.String()
	}
	added, err := a.host.Register(ctx, names)
	if err != nil {
		return a.failed("cannot register", err)
	}
	answer.Added = added
	if added == 0 {
		return answerJSON(http.StatusOK, answer)
	}
	return answerJSON(http.StatusCreated, answer)
}

func (a *API) forget(ctx context.Context, r *apiRequest) Reply {
	var body ForgetRequest
	if refused := decodeBody(r, &body); refused != nil {
		return *refused
	}
	name, refused := a.named(r, body.Process, body.ID)
	if refused != nil {
		return *refused
	}
	err := a.host.Forget(ctx, name, body.DeleteData)
	return a.finished("cannot forget "+name.String(), err)
}

// finished answers an action that has nothing to tell but its end.
func (a *API) finished(what string, err error) Reply {
	if err != nil {
		return a.failed(what, err)
	}
	return noContent()
}

func (a *API) stop(ctx context.Context, r *apiRequest) Reply {
	return a.finished("cannot stop "+r.name.String(), a.host.Stop(ctx, r.name))
}

func (a *API) hold(ctx context.Context, r *apiRequest) Reply {
	return a.finished("cannot hold "+r.name.String(), a.host.Hold(ctx, r.name))
}

func (a *API) unhold(ctx context.Context, r *apiRequest) Reply {
	return a.finished("cannot unhold "+r.name.String(), a.host.Unhold(ctx, r.name))
}

func (a *API) restart(ctx context.Context, r *apiRequest) Reply {
	info, err := a.host.Restart(ctx, r.name)
	if err != nil {
		return a.failed("cannot restart "+r.name.String(), err)
	}
	return startedReply(info)
}

func (a *API) health(_ context.Context, r *apiRequest) Reply {
	info, err := a.host.Info(r.name)
	if err != nil {
		return a.failed("cannot tell the health of "+r.name.String(), err)
	}
	return answerJSON(http.StatusOK, HealthJSON{Instance: r.name.String(), Health: info.Health, Limit: info.Limit})
}

func (a *API) why(_ context.Context, r *apiRequest) Reply {
	e, err := a.host.Why(r.name)
	if err != nil {
		return a.failed("cannot explain "+r.name.String(), err)
	}
	return answerJSON(http.StatusOK, whyJSON(e))
}

func (a *API) weight(ctx context.Context, r *apiRequest) Reply {
	var body WeightRequest
	if refused := decodeBody(r, &body); refused != nil {
		return *refused
	}
	if body.Weight == nil || *body.Weight < 0 || *body.Weight > 100 {
		return refuse(http.StatusBadRequest, `field "weight": a whole number from 0 to 100 is expected`)
	}
	if err := a.host.SetWeight(ctx, r.name, *body.Weight); err != nil {
		return a.failed("cannot set the weight of "+r.name.String(), err)
	}
	return answerJSON(http.StatusOK, WeightJSON{Instance: r.name.String(), Weight: *body.Weight})
}
