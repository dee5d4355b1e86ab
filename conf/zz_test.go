package conf
import ("testing";"strings";"time";"fmt")
func TestZZ(t *testing.T){
 var many strings.Builder
 for i:=0;i<18000;i++ { fmt.Fprintf(&many,"[service.a%d]\ncommand='x'\nsocket='/{id}/x'\nfoo=1\n",i) }
 var inst strings.Builder
 inst.WriteString(ok+"[instances]\nok=[")
 for i:=0;i<100000;i++ { fmt.Fprintf(&inst,"'a%d',",i) }
 inst.WriteString("]")
 var dup strings.Builder
 for i:=0;i<50000;i++ { fmt.Fprintf(&dup,"k%d=1\n",i) }
 for n,d:=range map[string]string{"many":many.String(),"inst":inst.String(),"dup":dup.String(),"open":strings.Repeat("\"",1<<20),"br":strings.Repeat("]",1<<20),"eq":strings.Repeat("=",1<<20),"sp":"a=["+strings.Repeat(" \n",1<<19),"cm":strings.Repeat("#\n",1<<19),"aot":strings.Repeat("[[a]]\n",170000)}{
  b:=time.Now(); scan(d); s:=time.Since(b); b=time.Now(); _,err:=Parse("t",[]byte(d)); p:=time.Since(b)
  e:=""; if err!=nil {e=err.Error()}; t.Log(n,len(d),s,p,len(e))
 }}
